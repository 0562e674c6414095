-- A coffee and tea shop. Money is in EUR cents (integers, exact): divide by 100.0 to show it. Instants are UTC, ISO 8601 text.
-- Types end in TEXT where SQLite would else take text that looks like a number for one: '2026' must compare with dates as text.
CREATE TABLE countries (
    code        TEXT PRIMARY KEY,          -- ISO 3166-1
    name        TEXT NOT NULL,             -- in its own language
    currency    TEXT NOT NULL,             -- what customers are shown; orders are booked in EUR
    vat_percent DECIMAL_TEXT               -- exact decimal kept as text ('19.0'); NULL where the shop charges none
) WITHOUT ROWID;

CREATE TABLE categories (
    id        INTEGER PRIMARY KEY,
    name      TEXT NOT NULL UNIQUE,
    parent_id INTEGER REFERENCES categories (id)
);

CREATE TABLE customers (
    id            INTEGER PRIMARY KEY,
    name          TEXT NOT NULL,
    email         TEXT UNIQUE,             -- NULL: ordered by telephone
    country       TEXT NOT NULL REFERENCES countries (code),
    birth_date    DATE_TEXT,                    -- most do not tell
    newsletter    BOOLEAN NOT NULL,
    registered_at DATETIME_TEXT NOT NULL,
    referred_by   INTEGER REFERENCES customers (id),
    preferences   JSON                     -- {"grind", "contact": [..]}
);

CREATE TABLE products (
    id            INTEGER PRIMARY KEY,
    sku           TEXT NOT NULL UNIQUE,
    name          TEXT NOT NULL,
    category_id   INTEGER NOT NULL REFERENCES categories (id),
    price_cents   INTEGER NOT NULL CHECK (price_cents > 0),
    price_eur     DECIMAL_TEXT GENERATED ALWAYS AS (printf('%d.%02d', price_cents / 100, price_cents % 100)) VIRTUAL,
    weight_kg     REAL,                    -- NULL: not shipped (vouchers)
    attributes    JSON NOT NULL,           -- depends on the category
    launched_on   DATE_TEXT NOT NULL,
    discontinued_on DATE_TEXT                   -- NULL: still sold
);

CREATE TABLE orders (
    id               INTEGER PRIMARY KEY,
    customer_id      INTEGER NOT NULL REFERENCES customers (id),
    ordered_at       DATETIME_TEXT NOT NULL,
    status           TEXT NOT NULL CHECK (status IN ('processing', 'shipped', 'delivered', 'cancelled', 'returned')),
    shipping_cents   INTEGER NOT NULL,
    discount_percent INTEGER,              -- NULL: none; on the items, not on shipping
    shipped_on       DATE_TEXT,
    delivered_on     DATE_TEXT,
    note             TEXT                  -- what the customer wrote
);

CREATE TABLE order_items (
    order_id         INTEGER NOT NULL REFERENCES orders (id) ON DELETE CASCADE,
    line             INTEGER NOT NULL,
    product_id       INTEGER NOT NULL REFERENCES products (id),
    quantity         INTEGER NOT NULL CHECK (quantity > 0),
    unit_price_cents INTEGER NOT NULL,     -- as charged then
    PRIMARY KEY (order_id, line)
) WITHOUT ROWID;

CREATE TABLE reviews (
    id            INTEGER PRIMARY KEY,
    product_id    INTEGER NOT NULL REFERENCES products (id),
    customer_id   INTEGER NOT NULL REFERENCES customers (id),
    rating        INTEGER NOT NULL CHECK (rating BETWEEN 1 AND 5),
    body          TEXT,                    -- NULL: stars only
    language      TEXT NOT NULL,
    created_at    DATETIME_TEXT NOT NULL,
    helpful_votes INTEGER NOT NULL DEFAULT 0,
    UNIQUE (product_id, customer_id)
);

CREATE INDEX customers_by_country ON customers (country);
CREATE INDEX customers_by_name ON customers (lower(name));
CREATE INDEX products_by_category ON products (category_id);
CREATE INDEX orders_by_customer ON orders (customer_id, ordered_at);
CREATE INDEX orders_by_time ON orders (ordered_at DESC);
CREATE INDEX orders_open ON orders (ordered_at) WHERE status IN ('processing', 'shipped');
CREATE INDEX order_items_by_product ON order_items (product_id);
CREATE INDEX reviews_by_product ON reviews (product_id, created_at);

-- What each order comes to.
CREATE VIEW order_totals AS
SELECT o.id AS order_id, o.customer_id, c.country, o.ordered_at, o.status,
       sum(i.quantity) AS items,
       sum(i.quantity * i.unit_price_cents) * (100 - coalesce(o.discount_percent, 0)) / 100 + o.shipping_cents AS total_cents
FROM orders o
JOIN customers c ON c.id = o.customer_id
JOIN order_items i ON i.order_id = o.id
GROUP BY o.id;

-- Revenue without cancelled and returned orders.
CREATE VIEW monthly_revenue AS
SELECT substr(ordered_at, 1, 7) AS month, country, count(*) AS orders, sum(total_cents) AS revenue_cents
FROM order_totals
WHERE status NOT IN ('cancelled', 'returned')
GROUP BY month, country;
