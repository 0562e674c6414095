//! The calls of a load on the shop (`mcp-hub-shop`), whose right answers are known.

use mcp_hub_shop::goods;
use serde_json::{Value, json};

use super::workload::{Question, Workload};

/// How long a slow read counts, and an order takes before and after it is in the ledger, in ms.
const SLOW: u32 = 150;
const ORDER: u32 = 10;

/// The tools that both versions of the shop have, and the facade's own.
const COMMON: [&str; 4] = ["health_check", "list_services", "shop_count_stock", "shop_price"];

/// What customers of the shop do: they look at prices, count the stock, read the list of tools, and what else they are told to.
#[derive(Clone, Debug)]
pub struct Shopping {
    /// What the ids of orders begin with, so that loads on one ledger do not get in each other's way.
    prefix: String,
    habits: Vec<Habit>,
}

/// What not all customers do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Habit {
    /// They order.
    Order,
    /// They call the tool that only the first version has.
    Haggle,
    /// They call the tool that only the second version has.
    Review,
    /// They ask for prices in another currency, by the field that only the second version has.
    Foreign,
}

impl Shopping {
    /// Customers with these habits. What they order, and ask for, begins with `prefix`.
    pub fn new(prefix: &str, habits: &[Habit]) -> Self {
        Self {
            prefix: prefix.to_owned(),
            habits: habits.to_vec(),
        }
    }

    fn do_they(&self, habit: Habit) -> bool {
        self.habits.contains(&habit)
    }
}

impl Workload for Shopping {
    fn next(&self, number: u64) -> Question {
        // Another article in each call, so that the answer to another call is a wrong answer.
        let article = format!("{}-{number}", self.prefix);
        match number % 20 {
            0 => list(self.do_they(Habit::Order)),
            1 | 2 => slow(&article),
            3..=7 if self.do_they(Habit::Order) => order(&article),
            8 | 9 if self.do_they(Habit::Haggle) => haggle(&article),
            10 | 11 if self.do_they(Habit::Review) => review(&article),
            12 | 13 if self.do_they(Habit::Foreign) => price(&article, Some("sek")),
            _ => price(&article, None),
        }
    }
}

fn question(
    label: &'static str,
    tool: &str,
    arguments: Value,
    check: impl Fn(&Value) -> Result<(), String> + Send + Sync + 'static,
) -> Question {
    Question {
        label,
        tool: Some(tool.to_owned()),
        arguments,
        write: None,
        check: Box::new(check),
    }
}

fn list(orders: bool) -> Question {
    let mut wanted = COMMON.to_vec();
    wanted.extend(orders.then_some("shop_order"));
    Question {
        label: "list",
        tool: None,
        arguments: Value::Null,
        write: None,
        check: Box::new(move |names| {
            let listed = |name: &&str| {
                names
                    .as_array()
                    .is_some_and(|names| names.iter().any(|n| n == name))
            };
            match wanted.iter().find(|name| !listed(name)) {
                Some(missing) => Err(format!("{missing} is not listed")),
                None => Ok(()),
            }
        }),
    }
}

fn price(article: &str, currency: Option<&'static str>) -> Question {
    let mut arguments = json!({"article": article});
    if let Some(currency) = currency {
        arguments["currency"] = currency.into();
    }
    let article = article.to_owned();
    let label = if currency.is_some() { "foreign" } else { "price" };
    question(label, "shop_price", arguments, move |answer| {
        let generation = of(answer, &article)?;
        // The first version knows one currency and says nothing of it, and so does a facade that has not read the second yet.
        let said = answer.get("currency").and_then(Value::as_str);
        match (currency, said) {
            (Some(asked), said) if said != Some(asked) => return Err(format!("not in {asked}")),
            (None, Some(said)) if said != "eur" => return Err(format!("in {said}")),
            _ => {}
        }
        is(
            &answer["cents"],
            goods::price(&article, currency.unwrap_or("eur"), generation),
        )
    })
}

fn slow(article: &str) -> Question {
    let arguments = json!({"article": article, "ms": SLOW});
    let article = article.to_owned();
    question("slow read", "shop_count_stock", arguments, move |answer| {
        let generation = of(answer, &article)?;
        is(&answer["pieces"], Some(goods::pieces(&article, generation)))
    })
}

fn haggle(article: &str) -> Question {
    let arguments = json!({"article": article});
    let article = article.to_owned();
    question("haggle", "shop_haggle", arguments, move |answer| {
        of(answer, &article)?;
        is(&answer["cents"], Some(goods::lowest(&article)))
    })
}

fn review(article: &str) -> Question {
    let arguments = json!({"article": article});
    let article = article.to_owned();
    question("review", "shop_review", arguments, move |answer| {
        of(answer, &article)?;
        is(&answer["stars"], Some(goods::stars(&article)))
    })
}

fn order(id: &str) -> Question {
    let arguments = json!({"id": id, "article": id, "ms": ORDER});
    let article = id.to_owned();
    let order = question("order", "shop_order", arguments, move |answer| {
        let generation = of(answer, &article)?;
        if answer["id"] != article.as_str() {
            return Err("another order".to_owned());
        }
        is(&answer["cents"], Some(goods::cents(&article, generation)))
    });
    Question {
        write: Some(id.to_owned()),
        ..order
    }
}

/// The version that answered, when it answered for this article.
fn of(answer: &Value, article: &str) -> Result<u32, String> {
    if answer["article"] != article {
        return Err("another article".to_owned());
    }
    match answer["generation"].as_u64() {
        Some(1) => Ok(1),
        Some(2) => Ok(2),
        _ => Err("no version".to_owned()),
    }
}

fn is(number: &Value, right: Option<u32>) -> Result<(), String> {
    if right.is_some_and(|right| *number == right) {
        Ok(())
    } else {
        Err(format!("not {right:?}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_right_answer_is_known_from_a_wrong_one() {
        let cents = goods::price("tea", "eur", 1).expect("a price");
        let right = json!({"article": "tea", "cents": cents, "generation": 1, "port": 1});
        let check = |change: &dyn Fn(&mut Value), currency| {
            let mut answer = right.clone();
            change(&mut answer);
            (price("tea", currency).check)(&answer).is_ok()
        };
        assert!(check(&|_| {}, None));
        assert!(!check(&|answer| answer["article"] = "coffee".into(), None));
        assert!(!check(&|answer| answer["generation"] = 2.into(), None));
        assert!(!check(&|answer| answer["generation"] = 3.into(), None));
        // A field that was not heeded is no right answer.
        assert!(!check(&|_| {}, Some("sek")));
        let names = json!(["health_check", "list_services", "shop_count_stock"]);
        assert!((list(false).check)(&names).is_err());
    }
}
