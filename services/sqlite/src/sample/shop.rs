//! Fills the tables: who orders what, when, and what they think of it.

use rusqlite::{Connection, params};

use super::random::Random;
use super::words::{
    CATEGORIES, COMPLAINTS, COUNTRIES, Country, Course, NOTES, PRAISE, PRODUCTS, Product, SHRUGS,
};

const DAY: i64 = 86_400;
/// 2 January 2023, the first day of the shop; 1 November 2026, the day after the last one; in seconds since 1970.
const FIRST: i64 = 1_672_617_600;
const LAST: i64 = 1_793_491_200;
/// 1 January 2025: prices rose by 8 %.
const PRICES_ROSE: i64 = 1_735_689_600;
/// 1 April 2025: Japan joined.
const JAPAN_JOINED: i64 = 1_743_465_600;
/// 1 January 2026: some makers changed something.
const MAKERS_CHANGED: i64 = 1_767_225_600;

const CUSTOMERS: i64 = 420;
/// Of a hundred, how many never order.
const NEVER_ORDER: usize = 11;
/// How orders spread over the months of a year, January first.
const SEASON: [usize; 12] = [70, 65, 70, 72, 68, 60, 52, 50, 70, 82, 120, 150];

struct Customer {
    id: i64,
    country: &'static Country,
    registered: i64,
}

struct Order {
    customer: usize,
    at: i64,
}

/// Creates the schema and all rows.
pub(super) fn fill(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch(include_str!("schema.sql"))?;
    let mut random = Random::new(20_230_102);
    lists(connection)?;
    let customers = customers(connection, &mut random)?;
    let mut orders = orders(&customers, &mut random);
    orders.sort_by_key(|order| (order.at, order.customer));
    for (id, order) in (1..).zip(&orders) {
        place(connection, id, order, &customers[order.customer], &mut random)?;
    }
    Ok(())
}

fn lists(connection: &Connection) -> rusqlite::Result<()> {
    for country in &COUNTRIES {
        connection.execute(
            "insert into countries values (?1, ?2, ?3, ?4)",
            params![country.code, country.name, country.currency, country.vat_percent],
        )?;
    }
    for (name, parent) in CATEGORIES {
        connection.execute(
            "insert into categories (name, parent_id) values (?1, ?2)",
            params![name, parent],
        )?;
    }
    let mut insert = connection.prepare(
        "insert into products (sku, name, category_id, price_cents, weight_kg, attributes, launched_on, discontinued_on)
         values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    )?;
    for (number, product) in (1..).zip(&PRODUCTS) {
        insert.execute(params![
            format!("{:02}-{number:04}", product.category),
            product.name,
            product.category,
            product.price_cents,
            product.weight_kg,
            product.attributes,
            product.launched,
            product.discontinued,
        ])?;
    }
    Ok(())
}

fn customers(connection: &Connection, random: &mut Random) -> rusqlite::Result<Vec<Customer>> {
    let mut insert = connection.prepare(
        "insert into customers values
         (?1, ?2, ?3, ?4, date(?5, 'unixepoch'), ?6, strftime('%Y-%m-%dT%H:%M:%SZ', ?7, 'unixepoch'), ?8, ?9)",
    )?;
    // More of them come as time goes by: now and then the later of two draws. Numbered in the order of their arrival.
    let last = LAST - 14 * DAY;
    let mut arrivals: Vec<i64> = (0..CUSTOMERS)
        .map(|_| {
            let earliest = if random.percent(45) {
                random.between(FIRST, last)
            } else {
                FIRST
            };
            random.between(FIRST, last).max(earliest)
        })
        .collect();
    arrivals.sort_unstable();
    let mut customers = Vec::new();
    for (id, registered) in (1..).zip(arrivals) {
        let weights = COUNTRIES.each_ref().map(|country| {
            let japan = country.code == "JP" && registered >= JAPAN_JOINED;
            if japan { 260 } else { country.share }
        });
        let country = &COUNTRIES[random.weighted(&weights)];
        let (given, family) = (*random.pick(&country.given), *random.pick(&country.family));
        let name = if country.family_first {
            format!("{family}{given}")
        } else {
            format!("{given} {family}")
        };
        let email =
            (!random.percent(7)).then(|| format!("customer{id}@example.{}", country.code.to_lowercase()));
        let birth = random
            .percent(35)
            .then(|| random.between(-20 * 365 * DAY, 36 * 365 * DAY));
        let referrer = random
            .percent(15)
            .then(|| random.between(1, id))
            .filter(|other| *other < id);
        let preferences = random.percent(60).then(|| {
            let grind = random.pick(&[r#""whole""#, r#""filter""#, r#""espresso""#, "null"]);
            let contact = random.pick(&[r"[]", r#"["email"]"#, r#"["email","post"]"#]);
            format!(r#"{{"grind":{grind},"contact":{contact}}}"#)
        });
        insert.execute(params![
            id,
            name,
            email,
            country.code,
            birth,
            random.percent(45),
            registered,
            referrer,
            preferences
        ])?;
        customers.push(Customer {
            id,
            country,
            registered,
        });
    }
    Ok(customers)
}

/// Who orders when. Few order often, most now and then, some never.
fn orders(customers: &[Customer], random: &mut Random) -> Vec<Order> {
    let mut orders = Vec::new();
    for (customer, Customer { registered, .. }) in customers.iter().enumerate() {
        if random.percent(NEVER_ORDER) {
            continue;
        }
        let count = [1, 2, 3, 4, 6, 9, 16, 30][random.weighted(&[26, 22, 16, 12, 10, 8, 4, 2])];
        // Who came lately has not had the time for many.
        let count = (count * (LAST - registered) / (600 * DAY)).max(1);
        for _ in 0..count {
            let mut at = random.between(*registered, LAST - 1);
            // Drawn again until the season allows it: more before Christmas, fewer in summer.
            while random.below(150) >= SEASON[month(at)] {
                at = random.between(*registered, LAST - 1);
            }
            orders.push(Order { customer, at });
        }
    }
    orders
}

/// The month of an instant, 0 to 11; the exact day does not matter here.
fn month(at: i64) -> usize {
    // Four years are 1461 days, and every month is a twelfth of a year.
    let day_of_year = at / DAY * 4 % 1_461 / 4;
    usize::try_from(day_of_year * 12 / 366).unwrap_or_default()
}

fn place(
    connection: &Connection,
    id: i64,
    order: &Order,
    customer: &Customer,
    random: &mut Random,
) -> rusqlite::Result<()> {
    let items = items(connection, order.at, random)?;
    let declined = order.at >= MAKERS_CHANGED
        && items
            .iter()
            .any(|(product, ..)| matches!(PRODUCTS[*product].course, Course::Decline(_)));
    let status = match (LAST - order.at) / DAY {
        0..=2 => "processing",
        3..=6 => "shipped",
        _ if random.percent(4) => "cancelled",
        _ if random.percent(if declined { 16 } else { 3 }) => "returned",
        _ => "delivered",
    };
    let shipped =
        matches!(status, "shipped" | "delivered" | "returned").then(|| order.at + random.between(1, 3) * DAY);
    let abroad = if customer.country.currency == "EUR" { 2 } else { 6 };
    let delivered = shipped
        .filter(|_| status != "shipped")
        .map(|at| at + random.between(1, abroad) * DAY);
    connection
        .prepare_cached(
            "insert into orders values (?1, ?2, strftime('%Y-%m-%dT%H:%M:%SZ', ?3, 'unixepoch'), ?4, ?5, ?6,
         date(?7, 'unixepoch'), date(?8, 'unixepoch'), ?9)",
        )?
        .execute(params![
            id,
            customer.id,
            order.at,
            status,
            if abroad == 2 { 390 } else { 1290 },
            random.percent(12).then(|| *random.pick(&[5, 10, 15, 20])),
            shipped,
            delivered,
            random.percent(6).then(|| *random.pick(&NOTES)),
        ])?;
    for (line, (product, quantity, price)) in (1..).zip(&items) {
        connection
            .prepare_cached("insert into order_items values (?1, ?2, ?3, ?4, ?5)")?
            .execute(params![id, line, number(*product), quantity, price])?;
        if let Some(delivered) = delivered
            && random.percent(70)
        {
            let at = delivered + random.between(DAY, 25 * DAY);
            if at < LAST {
                review(connection, *product, customer, at, random)?;
            }
        }
    }
    Ok(())
}

/// Products by their place in the list, with quantity and price.
fn items(connection: &Connection, at: i64, random: &mut Random) -> rusqlite::Result<Vec<(usize, i64, i64)>> {
    let day: String = connection
        .prepare_cached("select date(?1, 'unixepoch')")?
        .query_row([at], |row| row.get(0))?;
    let sold = |product: &Product| {
        product.launched <= day.as_str() && product.discontinued.is_none_or(|end| day.as_str() <= end)
    };
    let mut items: Vec<(usize, i64, i64)> = Vec::new();
    for _ in 0..=random.weighted(&[40, 32, 18, 10]) {
        let product = random.below(PRODUCTS.len());
        if !sold(&PRODUCTS[product]) || items.iter().any(|(other, ..)| *other == product) {
            continue;
        }
        let price = PRODUCTS[product].price_cents;
        // Vouchers cost what they are worth.
        let before = at < PRICES_ROSE && PRODUCTS[product].weight_kg.is_some();
        let price = if before { price * 100 / 108 } else { price };
        items.push((product, [1, 2, 3, 6][random.weighted(&[70, 20, 7, 3])], price));
    }
    if items.is_empty() {
        // Paper filters were always there.
        items.push((37, 1, PRODUCTS[37].price_cents));
    }
    Ok(items)
}

fn review(
    connection: &Connection,
    product: usize,
    customer: &Customer,
    at: i64,
    random: &mut Random,
) -> rusqlite::Result<()> {
    let (liked, own_complaints) = match PRODUCTS[product].course {
        Course::Steady(liked) => (liked, None),
        Course::Decline(complaints) if at >= MAKERS_CHANGED => (28, Some(complaints)),
        Course::Decline(_) => (90, None),
    };
    let rating = if random.percent(liked) {
        [5, 4][random.weighted(&[65, 35])]
    } else {
        [3, 2, 1][random.weighted(&[40, 32, 28])]
    };
    let texts = match (rating, own_complaints) {
        (4.., _) => PRAISE,
        (_, Some(complaints)) => complaints,
        (3, None) => SHRUGS,
        (_, None) => COMPLAINTS,
    };
    // In the customer's language, or else in English, as people do.
    let mut fitting: Vec<_> = texts
        .iter()
        .filter(|(language, _)| *language == customer.country.language)
        .collect();
    if fitting.is_empty() {
        fitting = texts.iter().filter(|(language, _)| *language == "en").collect();
    }
    let (language, text) = **random.pick(&fitting);
    connection.prepare_cached(
        "insert or ignore into reviews (product_id, customer_id, rating, body, language, created_at, helpful_votes)
         values (?1, ?2, ?3, ?4, ?5, strftime('%Y-%m-%dT%H:%M:%SZ', ?6, 'unixepoch'), ?7)",
    )?
    .execute(params![
        number(product),
        customer.id,
        rating,
        (!random.percent(20)).then_some(text),
        language,
        at,
        random.between(0, 11) * random.between(0, 3),
    ])?;
    Ok(())
}

/// The id of a product by its place in the list.
fn number(product: usize) -> i64 {
    i64::try_from(product + 1).unwrap_or(i64::MAX)
}
