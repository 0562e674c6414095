//! The lists that the shop is made of. The people are combinations of common names; none is meant to be anyone.

/// A country the shop sells to.
pub(super) struct Country {
    pub(super) code: &'static str,
    pub(super) name: &'static str,
    pub(super) currency: &'static str,
    pub(super) vat_percent: Option<&'static str>,
    /// The language of its reviews.
    pub(super) language: &'static str,
    /// How many of a thousand customers live there.
    pub(super) share: usize,
    pub(super) given: [&'static str; 8],
    pub(super) family: [&'static str; 8],
    /// Whether the family name stands first, without a space.
    pub(super) family_first: bool,
}

/// All of them. Japan joined in April 2025 and grows fastest.
#[rustfmt::skip]
pub(super) const COUNTRIES: [Country; 14] = [
    Country { code: "DE", name: "Deutschland", currency: "EUR", vat_percent: Some("19.0"), language: "de", share: 220, family_first: false,
        given: ["Jürgen", "Anke", "Sören", "Käthe", "Björn", "Uwe", "Heike", "Jörg"],
        family: ["Müller", "Groß", "Schäfer", "Weiß", "Köhler", "Lübke", "Jäger", "Voß"] },
    Country { code: "FR", name: "France", currency: "EUR", vat_percent: Some("20.0"), language: "fr", share: 130, family_first: false,
        given: ["Zoé", "François", "Anaïs", "Noël", "Chloé", "Jérôme", "Océane", "Théo"],
        family: ["Lefèvre", "D’Arcy", "Béranger", "Châtelain", "Guérin", "Maçon", "Hénault", "Forêt"] },
    Country { code: "ES", name: "España", currency: "EUR", vat_percent: Some("21.0"), language: "es", share: 90, family_first: false,
        given: ["Íñigo", "Begoña", "Ángel", "Lucía", "Iván", "Rocío", "Andrés", "Noemí"],
        family: ["Muñoz", "Ibáñez", "Peña", "García Ríos", "Núñez", "Sáez", "Ordóñez", "Vélez"] },
    Country { code: "IT", name: "Italia", currency: "EUR", vat_percent: Some("22.0"), language: "it", share: 80, family_first: false,
        given: ["Niccolò", "Giulia", "Matteo", "Noemi", "Fabrizio", "Chiara", "Zeno", "Marta"],
        family: ["D’Amico", "Rossetti", "Cantù", "Bellini", "Forlì", "Moretti", "Nardò", "Serra"] },
    Country { code: "PL", name: "Polska", currency: "PLN", vat_percent: Some("23.0"), language: "pl", share: 70, family_first: false,
        given: ["Łukasz", "Małgorzata", "Paweł", "Agnieszka", "Grażyna", "Michał", "Bożena", "Wiesław"],
        family: ["Wójcik", "Dąbrowski", "Król", "Wiśniewska", "Zając", "Jabłoński", "Gołąb", "Pietrzak"] },
    Country { code: "SE", name: "Sverige", currency: "SEK", vat_percent: Some("25.0"), language: "sv", share: 60, family_first: false,
        given: ["Åsa", "Björn", "Märta", "Göran", "Örjan", "Linnéa", "Håkan", "Elsa"],
        family: ["Ångström", "Sjöberg", "Åkesson", "Lindström", "Öberg", "Hägg", "Norén", "Falk"] },
    Country { code: "GR", name: "Ελλάδα", currency: "EUR", vat_percent: Some("24.0"), language: "el", share: 40, family_first: false,
        given: ["Ελένη", "Γιώργος", "Μαρία", "Κώστας", "Σοφία", "Νίκος", "Άννα", "Δημήτρης"],
        family: ["Παππάς", "Νικολάου", "Γεωργίου", "Δήμου", "Αγγελής", "Ράπτη", "Ζαχαρίου", "Μακρής"] },
    Country { code: "UA", name: "Україна", currency: "UAH", vat_percent: None, language: "uk", share: 40, family_first: false,
        given: ["Олена", "Тарас", "Ірина", "Андрій", "Юлія", "Богдан", "Зоряна", "Єва"],
        family: ["Шевчук", "Коваленко", "Їжак", "Бондар", "Мельник", "Гнатюк", "Ткач", "Лисенко"] },
    Country { code: "GB", name: "United Kingdom", currency: "GBP", vat_percent: Some("20.0"), language: "en", share: 90, family_first: false,
        given: ["Siân", "Oliver", "Zoë", "Rhys", "Imogen", "Callum", "Beth", "Niamh"],
        family: ["O’Neill", "Hughes", "Smith-Jones", "Murray", "Lloyd", "Fraser", "Wood", "Baker"] },
    Country { code: "US", name: "United States", currency: "USD", vat_percent: None, language: "en", share: 80, family_first: false,
        given: ["Renée", "Marcus", "José", "Ashley", "Tyler", "Dolores", "Kai", "Naomi"],
        family: ["Johnson", "Nguyễn", "Ramirez", "Van Dyke", "Cooper", "Null", "Washburn", "Ortiz"] },
    Country { code: "BR", name: "Brasil", currency: "BRL", vat_percent: None, language: "pt", share: 40, family_first: false,
        given: ["João", "Conceição", "Antônio", "Inês", "Luís", "Tânia", "Sebastião", "Lívia"],
        family: ["Gonçalves", "da Conceição", "Araújo", "Magalhães", "Simões", "Leão", "Brandão", "Assunção"] },
    Country { code: "JP", name: "日本", currency: "JPY", vat_percent: None, language: "ja", share: 0, family_first: true,
        given: ["陽菜", "蓮", "結衣", "大翔", "さくら", "悠真", "美咲", "健"],
        family: ["佐藤", "鈴木", "髙橋", "渡邊", "伊藤", "山本", "中村", "小林"] },
    Country { code: "IN", name: "भारत", currency: "INR", vat_percent: None, language: "hi", share: 30, family_first: false,
        given: ["आशा", "रोहन", "प्रिया", "अर्जुन", "मीरा", "विक्रम", "काव्या", "देव"],
        family: ["शर्मा", "पटेल", "गुप्ता", "सिंह", "राव", "मेहता", "जोशी", "नायर"] },
    Country { code: "EG", name: "مصر", currency: "EGP", vat_percent: None, language: "ar", share: 30, family_first: false,
        given: ["ليلى", "يوسف", "مريم", "كريم", "نور", "عمر", "هدى", "طارق"],
        family: ["حسن", "النجار", "منصور", "السيد", "فؤاد", "سليمان", "رمضان", "البنا"] },
];

/// Name and parent.
pub(super) const CATEGORIES: [(&str, Option<i64>); 10] = [
    ("Coffee", None),
    ("Coffee beans", Some(1)),
    ("Ground coffee", Some(1)),
    ("Tea", None),
    ("Green tea", Some(4)),
    ("Black tea", Some(4)),
    ("Equipment", None),
    ("Grinders", Some(7)),
    ("Brewers", Some(7)),
    ("Gifts & vouchers 🎁", None),
];

/// What became of a product.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Course {
    /// As it always was: how well it is liked, of 100.
    Steady(usize),
    /// Liked until the end of 2025; then the maker changed something. What people complain about.
    Decline(&'static [(&'static str, &'static str)]),
}

/// Something that is sold.
#[derive(Clone, Copy)]
pub(super) struct Product {
    pub(super) name: &'static str,
    pub(super) category: i64,
    pub(super) price_cents: i64,
    pub(super) weight_kg: Option<f64>,
    pub(super) attributes: &'static str,
    pub(super) launched: &'static str,
    pub(super) discontinued: Option<&'static str>,
    pub(super) course: Course,
}

const fn product(
    category: i64,
    name: &'static str,
    price_cents: i64,
    weight_kg: Option<f64>,
    launched: &'static str,
    course: Course,
    attributes: &'static str,
) -> Product {
    Product {
        name,
        category,
        price_cents,
        weight_kg,
        attributes,
        launched,
        discontinued: None,
        course,
    }
}

const fn until(discontinued: &'static str, product: Product) -> Product {
    Product {
        discontinued: Some(discontinued),
        ..product
    }
}

use Course::{Decline, Steady};

const WOBBLES: &[(&str, &str)] = &[
    (
        "en",
        "The burrs wobble since the new model: uneven grind, bitter cup. 😞",
    ),
    (
        "de",
        "Das neue Mahlwerk wackelt, der Mahlgrad ist ungleichmäßig. Früher besser!",
    ),
    (
        "fr",
        "Les meules bougent, mouture irrégulière. L’ancien modèle était parfait.",
    ),
    ("es", "Las muelas se mueven y el molido sale desigual."),
    (
        "ja",
        "臼がぐらつき、挽き目が揃いません。前のモデルの方が良かったです。",
    ),
];

const LEAKS: &[(&str, &str)] = &[
    (
        "en",
        "The lid leaks when pouring, and the seal smells of plastic.",
    ),
    ("de", "Der Deckel tropft beim Eingießen 💧"),
    ("it", "Il coperchio perde quando si versa."),
    ("pl", "Pokrywka przecieka przy nalewaniu…"),
    ("sv", "Locket läcker när man häller."),
];

const STALE: &[(&str, &str)] = &[
    (
        "en",
        "Tastes stale: the harvest date on the bag is from the year before.",
    ),
    ("de", "Schmeckt muffig, Ernte vom Vorjahr."),
    ("fr", "Thé éventé, récolte de l’année dernière."),
    ("uk", "Чай видихся, збір минулого року."),
    ("ja", "香りが抜けている。前年の茶葉でした。"),
];

/// All that is sold.
#[rustfmt::skip]
pub(super) const PRODUCTS: [Product; 40] = [
    product(2, "Yirgacheffe Konga", 1490, Some(0.5), "2022-09-01", Steady(90), r#"{"origin":"Ethiopia","roast":"light","notes":["jasmine","bergamot"],"altitude_m":2100}"#),
    product(2, "Huila Supremo", 1290, Some(0.5), "2022-09-01", Steady(82), r#"{"origin":"Colombia","roast":"medium","notes":["caramel","apple"],"altitude_m":1750}"#),
    product(2, "Cerrado Natural", 1090, Some(0.5), "2022-09-01", Steady(75), r#"{"origin":"Brazil","roast":"medium","notes":["nut","cocoa"],"altitude_m":1100}"#),
    product(2, "Sidamo Decaf", 1390, Some(0.5), "2023-03-01", Steady(64), r#"{"origin":"Ethiopia","roast":"medium","notes":["berry"],"decaf":true}"#),
    product(2, "Espresso Nr. 7", 1590, Some(1.0), "2022-09-01", Steady(86), r#"{"blend":{"arabica":0.8,"robusta":0.2},"roast":"dark","notes":["chocolate","tobacco"]}"#),
    product(2, "Monsooned Malabar", 1350, Some(0.5), "2023-06-01", Steady(58), r#"{"origin":"India","roast":"dark","notes":["spice","wood"],"altitude_m":null}"#),
    product(2, "Mandheling Grade 1", 1450, Some(0.5), "2023-02-01", Steady(70), r#"{"origin":"Indonesia","roast":"dark","notes":["earth","cedar"],"altitude_m":1300}"#),
    product(2, "Kenya Nyeri AA", 1690, Some(0.5), "2024-01-15", Steady(88), r#"{"origin":"Kenya","roast":"light","notes":["blackcurrant","grapefruit"],"altitude_m":1800}"#),
    product(2, "Gesha Boquete", 4900, Some(0.25), "2025-05-01", Steady(95), r#"{"origin":"Panama","roast":"light","notes":["rose","mandarin"],"lot":9007199254740993}"#),
    until("2025-01-31", product(2, "Christmas Blend 2024 🎄", 1690, Some(0.5), "2024-10-15", Steady(80), r#"{"roast":"medium","notes":["cinnamon","plum"],"limited":true}"#)),
    product(3, "Frühstückskaffee", 890, Some(0.5), "2022-09-01", Steady(72), r#"{"roast":"medium","grind":"filter"}"#),
    product(3, "Türk Kahvesi", 990, Some(0.25), "2023-04-01", Steady(83), r#"{"roast":"dark","grind":"extra fine"}"#),
    product(3, "Moka Fine", 1150, Some(0.5), "2022-09-01", Steady(78), r#"{"roast":"dark","grind":"moka"}"#),
    product(3, "Cold Brew Coarse", 1250, Some(1.0), "2024-05-01", Steady(74), r#"{"roast":"light","grind":"coarse","serving":{"g_per_l":80,"hours":14}}"#),
    until("2024-06-30", product(3, "Instant Nr. 1", 790, Some(0.2), "2022-09-01", Steady(35), r#"{"roast":"dark","grind":null}"#)),
    product(5, "煎茶 Sencha Uji", 1890, Some(0.1), "2022-09-01", Decline(STALE), r#"{"origin":"日本","harvest":"first flush","temperature_c":70}"#),
    product(5, "Gyokuro 玉露", 3490, Some(0.05), "2023-05-01", Steady(92), r#"{"origin":"日本","harvest":"first flush","temperature_c":55}"#),
    product(5, "Genmaicha", 1290, Some(0.1), "2022-09-01", Steady(79), r#"{"origin":"日本","with":["rice"],"temperature_c":80}"#),
    product(5, "Dragon Well 龍井", 2190, Some(0.1), "2023-09-01", Steady(84), r#"{"origin":"中国","temperature_c":75}"#),
    product(5, "Gunpowder", 690, Some(0.2), "2022-09-01", Steady(61), r#"{"origin":"中国","temperature_c":80}"#),
    product(5, "Matcha Ceremonial", 2990, Some(0.03), "2024-03-01", Steady(87), r#"{"origin":"日本","powder":true}"#),
    product(6, "Darjeeling First Flush", 1790, Some(0.1), "2022-09-01", Steady(85), r#"{"origin":"India","estate":"Margaret’s Hope","temperature_c":90}"#),
    product(6, "Assam Breakfast", 890, Some(0.2), "2022-09-01", Steady(76), r#"{"origin":"India","temperature_c":98}"#),
    product(6, "Ceylon Uva", 990, Some(0.2), "2022-09-01", Steady(73), r#"{"origin":"Sri Lanka","temperature_c":95}"#),
    product(6, "Earl Grey «Bleu»", 1190, Some(0.15), "2022-09-01", Steady(81), r#"{"blend":true,"with":["bergamot oil","cornflower"]}"#),
    product(6, "Lapsang Souchong", 1390, Some(0.1), "2023-01-15", Steady(52), r#"{"origin":"中国","smoked":true}"#),
    product(6, "Masala Chai मसाला चाय", 1090, Some(0.2), "2023-10-01", Steady(88), r#"{"with":["cardamom","ginger","clove"],"caffeine_mg":40.5}"#),
    product(8, "Hand grinder N2", 8900, Some(0.6), "2022-09-01", Decline(WOBBLES), r#"{"burrs":"steel, 38 mm","material":"aluminium","colours":["black","silver"]}"#),
    product(8, "Hand grinder N2 Mini", 5900, Some(0.4), "2024-02-01", Steady(77), r#"{"burrs":"steel, 28 mm","material":"aluminium","colours":["black"]}"#),
    product(8, "Electric grinder E64", 34900, Some(4.2), "2023-03-01", Steady(85), r#"{"burrs":"steel, 64 mm","watt":250,"colours":["white","black"]}"#),
    until("2025-06-30", product(8, "Blade mill B1", 2490, Some(0.9), "2022-09-01", Steady(22), r#"{"watt":150}"#)),
    product(9, "Glass server 600", 3290, Some(0.5), "2022-09-01", Decline(LEAKS), r#"{"capacity_ml":600,"material":"borosilicate","dishwasher_safe":true}"#),
    product(9, "Pour-over cone 02", 2190, Some(0.35), "2022-09-01", Steady(89), r#"{"material":"ceramic","cups":4,"colours":["white","sage","rust"]}"#),
    product(9, "French press 1 l", 3990, Some(0.8), "2022-09-01", Steady(71), r#"{"capacity_ml":1000,"material":"steel","dishwasher_safe":true}"#),
    product(9, "Moka pot 6", 3490, Some(0.7), "2022-09-01", Steady(80), r#"{"cups":6,"induction":false}"#),
    product(9, "Siphon «Vakuum»", 12900, Some(1.4), "2023-11-01", Steady(60), r#"{"capacity_ml":360,"fuel":"alcohol"}"#),
    product(9, "Kyusu 急須 300", 4590, Some(0.4), "2024-09-01", Steady(91), r#"{"capacity_ml":300,"material":"clay","handmade":true}"#),
    product(9, "Paper filters 02 (100)", 590, Some(0.15), "2022-09-01", Steady(84), r#"{"count":100,"bleached":false}"#),
    product(10, "Voucher 25 €", 2500, None, "2022-09-01", Steady(90), r#"{"valid_months":36}"#),
    product(10, "Voucher 50 €", 5000, None, "2022-09-01", Steady(90), r#"{"valid_months":36}"#),
];

/// What people say who like a product, by language.
#[rustfmt::skip]
pub(super) const PRAISE: &[(&str, &str)] = &[
    ("en", "Exactly as described, and quick to arrive. 👍"), ("en", "Best I have had in years!"), ("en", "My second order — still excellent ☕️"),
    ("de", "Sehr aromatisch, gerne wieder! 😊"), ("de", "Schnelle Lieferung, tolle Qualität."), ("de", "Schmeckt wie im Urlaub ☀️"),
    ("fr", "Délicieux, très bon rapport qualité-prix ✨"), ("fr", "Emballage soigné, goût superbe."),
    ("es", "¡Buenísimo! Repetiré seguro."), ("es", "Llegó antes de lo esperado 🚚"),
    ("it", "Profumo meraviglioso, consigliatissimo."), ("pl", "Świetny smak, polecam! 🌟"), ("sv", "Fantastiskt gott, köper igen."),
    ("el", "Υπέροχο άρωμα, το συνιστώ!"), ("uk", "Чудовий смак, дякую! 💛💙"), ("pt", "Ótimo aroma, recomendo 😋"),
    ("ja", "香りがとても良いです。また注文します。"), ("ja", "対応が早くて助かりました🙏"), ("hi", "बहुत बढ़िया स्वाद! 🙏"), ("ar", "طعم رائع وتوصيل سريع 🌙"),
];

/// What people say who are of two minds.
#[rustfmt::skip]
pub(super) const SHRUGS: &[(&str, &str)] = &[
    ("en", "Fine, but a little pricey."), ("de", "Ganz okay, aber nichts Besonderes."), ("fr", "Correct, sans plus."), ("es", "Normalito."),
    ("it", "Nella media."), ("pl", "Może być 🤷"), ("sv", "Helt okej."), ("el", "Μέτριο."), ("uk", "Нормально, але дорого."),
    ("pt", "Razoável."), ("ja", "普通です。"), ("hi", "ठीक-ठाक है।"), ("ar", "لا بأس به."),
];

/// What people say who do not like a product, whatever it is.
#[rustfmt::skip]
pub(super) const COMPLAINTS: &[(&str, &str)] = &[
    ("en", "Not for me: flat and bitter."), ("en", "Arrived damaged 📦"), ("de", "Leider enttäuschend."), ("fr", "Déçu, goût trop amer 😕"),
    ("es", "No me gustó nada."), ("it", "Deludente."), ("pl", "Rozczarowanie 😠"), ("sv", "Tyvärr inte bra."), ("el", "Απογοήτευση."),
    ("uk", "На жаль, не сподобалось."), ("pt", "Não gostei."), ("ja", "期待外れでした。"), ("hi", "पसंद नहीं आया।"), ("ar", "لم يعجبني."),
];

/// What customers write beside an order.
pub(super) const NOTES: [&str; 8] = [
    "Please leave with the neighbour.",
    "Bitte als Geschenk verpacken 🎁",
    "Sonner deux fois, merci !",
    "It's a surprise -- don't ring the bell; use the \"back\" door",
    "領収書をお願いします。",
    "100% bio?",
    "Second try\nthe first order never came",
    "🙏",
];
