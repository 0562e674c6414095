// The catalogue of the demo shop, for Neo4j: products, their brands and categories, what fits what, and what can take whose place.
// Loading it again changes nothing. The SKU is the same in all databases.

CREATE CONSTRAINT product_sku IF NOT EXISTS FOR (product:Product) REQUIRE product.sku IS UNIQUE;

CREATE CONSTRAINT category_name IF NOT EXISTS FOR (category:Category) REQUIRE category.name IS UNIQUE;

CREATE CONSTRAINT brand_name IF NOT EXISTS FOR (brand:Brand) REQUIRE brand.name IS UNIQUE;

UNWIND [
  ['Tents', null], ['Trekking tents', 'Tents'], ['Family tents', 'Tents'],
  ['Sleeping', null], ['Sleeping bags', 'Sleeping'], ['Mats', 'Sleeping'],
  ['Packs', null],
  ['Kitchen', null], ['Stoves', 'Kitchen'], ['Pots', 'Kitchen'], ['Bottles', 'Kitchen'],
  ['Lamps', null],
  ['Accessories', null], ['Tent accessories', 'Accessories'], ['Fuel', 'Accessories'], ['Dry bags', 'Accessories']
] AS row
MERGE (category:Category {name: row[0]})
WITH category, row WHERE row[1] IS NOT NULL
MERGE (parent:Category {name: row[1]})
MERGE (category)-[:PART_OF]->(parent);

UNWIND [
  ['TNT-101', 'Drift 1', 'Skarvane', 'Trekking tents', 1300, '2023-03-01'],
  ['TNT-102', 'Drift 2', 'Skarvane', 'Trekking tents', 2150, '2023-03-01'],
  ['TNT-103', 'Harbour 4', 'Skarvane', 'Family tents', 9800, '2022-04-15'],
  ['TNT-104', 'Cairn 2', 'Morrowtarn', 'Trekking tents', 2600, '2024-02-01'],
  ['TNT-105', 'Cairn 3', 'Morrowtarn', 'Trekking tents', 3450, '2024-02-01'],
  ['TNT-106', 'Lark 2', 'Quillfen', 'Trekking tents', 2400, '2025-04-24'],
  ['TNT-107', 'Harbour 3', 'Skarvane', 'Family tents', 4100, '2022-04-15'],
  ['SLB-201', 'Ember 0', 'Quillfen', 'Sleeping bags', 1250, '2023-09-01'],
  ['SLB-202', 'Ember -7', 'Quillfen', 'Sleeping bags', 1080, '2023-09-01'],
  ['SLB-203', 'Willow 8', 'Quillfen', 'Sleeping bags', 720, '2022-05-01'],
  ['MAT-301', 'Raft', 'Morrowtarn', 'Mats', 510, '2024-04-01'],
  ['MAT-302', 'Plank', 'Morrowtarn', 'Mats', 410, '2021-03-01'],
  ['PCK-401', 'Tor 45', 'Morrowtarn', 'Packs', 1480, '2023-05-10'],
  ['PCK-402', 'Tor 65', 'Morrowtarn', 'Packs', 1790, '2023-05-10'],
  ['PCK-403', 'Daybreak 22', 'Morrowtarn', 'Packs', 760, '2024-08-01'],
  ['STV-501', 'Pebble', 'Lumenbeck', 'Stoves', 86, '2022-06-01'],
  ['STV-502', 'Beacon', 'Lumenbeck', 'Stoves', 540, '2021-10-01'],
  ['COK-511', 'Nest', 'Lumenbeck', 'Pots', 690, '2023-02-15'],
  ['LMP-601', 'Glowmoth', 'Lumenbeck', 'Lamps', 92, '2024-09-20'],
  ['LMP-602', 'Hearth', 'Lumenbeck', 'Lamps', 310, '2022-11-05'],
  ['BTL-701', 'Spring 1', 'Quillfen', 'Bottles', 165, '2023-06-01'],
  ['BTL-702', 'Cistern 3', 'Quillfen', 'Bottles', 190, '2023-06-01'],
  ['ACC-801', 'Footprint 2', 'Skarvane', 'Tent accessories', 280, '2023-03-01'],
  ['ACC-802', 'Footprint 3', 'Skarvane', 'Tent accessories', 360, '2022-04-15'],
  ['ACC-803', 'Seam sealer', 'Quillfen', 'Tent accessories', 40, '2021-01-10'],
  ['ACC-804', 'Pole repair set', 'Skarvane', 'Tent accessories', 120, '2022-02-01'],
  ['ACC-805', 'Gas 230', 'Lumenbeck', 'Fuel', 380, '2022-06-01'],
  ['ACC-806', 'Dry bag 20', 'Morrowtarn', 'Dry bags', 140, '2023-07-01']
] AS row
MATCH (category:Category {name: row[3]})
MERGE (brand:Brand {name: row[2]})
MERGE (product:Product {sku: row[0]})
  ON CREATE SET product.name = row[1], product.weight_g = row[4], product.launched = date(row[5])
MERGE (product)-[:IN_CATEGORY]->(category)
MERGE (product)-[:MADE_BY]->(brand);

UNWIND [
  ['ACC-801', ['TNT-102', 'TNT-104']],
  ['ACC-802', ['TNT-105', 'TNT-107']],
  ['ACC-804', ['TNT-101', 'TNT-102', 'TNT-103', 'TNT-104', 'TNT-105', 'TNT-107']],
  ['ACC-805', ['STV-501']],
  ['COK-511', ['STV-501', 'STV-502']],
  ['BTL-702', ['PCK-401', 'PCK-402', 'PCK-403']]
] AS row
UNWIND row[1] AS sku
MATCH (accessory:Product {sku: row[0]}), (product:Product {sku: sku})
MERGE (accessory)-[:FITS]->(product);

UNWIND [
  ['TNT-104', 'TNT-102', 'same floor, 450 g heavier'],
  ['TNT-106', 'TNT-102', 'cheaper, for dry summers, another floor'],
  ['TNT-107', 'TNT-105', 'same floor, 650 g heavier'],
  ['TNT-103', 'TNT-107', 'one more berth, much heavier'],
  ['SLB-201', 'SLB-203', 'warmer'],
  ['SLB-202', 'SLB-201', 'warmer and lighter'],
  ['MAT-302', 'MAT-301', 'cannot go flat, bulkier'],
  ['PCK-402', 'PCK-401', 'twenty litres more'],
  ['STV-502', 'STV-501', 'burns petrol too, heavier'],
  ['BTL-702', 'BTL-701', 'three litres, soft']
] AS row
MATCH (alternative:Product {sku: row[0]}), (product:Product {sku: row[1]})
MERGE (alternative)-[replacement:CAN_REPLACE]->(product)
  ON CREATE SET replacement.note = row[2];
