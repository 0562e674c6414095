//! What the shop answers, as functions of what it is asked: for the shop, and for those who check its answers.

/// The price of an article in cents, in the shop's own currency.
pub fn cents(article: &str, generation: u32) -> u32 {
    digest("price", article, generation) % 100_000
}

/// The price of an article in a currency; `None` for one that the shop does not take.
pub fn price(article: &str, currency: &str, generation: u32) -> Option<u32> {
    match currency {
        "eur" => Some(cents(article, generation)),
        "sek" => Some(cents(article, generation) * 11),
        _ => None,
    }
}

/// How many pieces of an article there are.
pub fn pieces(article: &str, generation: u32) -> u32 {
    digest("stock", article, generation) % 1_000
}

/// The lowest price of an article in cents.
pub fn lowest(article: &str) -> u32 {
    cents(article, 1) / 2
}

/// What customers think of an article, 1 to 5.
pub fn stars(article: &str) -> u32 {
    1 + digest("stars", article, 2) % 5
}

/// FNV-1a: the same in every process and every build.
fn digest(what: &str, article: &str, generation: u32) -> u32 {
    let bytes = what
        .bytes()
        .chain([0])
        .chain(article.bytes())
        .chain(generation.to_le_bytes());
    bytes.fold(0x811c_9dc5, |hash, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_of_another_article_or_version_differ() {
        assert_eq!(cents("tea", 1), cents("tea", 1));
        assert_ne!(cents("tea", 1), cents("tea", 2));
        assert_ne!(cents("tea", 1), cents("coffee", 1));
        assert_ne!(price("tea", "eur", 2), price("tea", "sek", 2));
        assert_eq!(price("tea", "usd", 2), None);
    }
}
