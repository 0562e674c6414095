-- The warehouse of the demo shop, for MariaDB and MySQL: stock in two halls, suppliers, and what they shipped or will ship.
-- Loading it again changes nothing: what is there stays. The SKU is the same in all databases.

CREATE TABLE IF NOT EXISTS suppliers (
  supplier_id INT NOT NULL PRIMARY KEY,
  name VARCHAR(60) NOT NULL,
  makes VARCHAR(60) NOT NULL,
  lead_days SMALLINT UNSIGNED NOT NULL COMMENT 'Days from order to delivery'
) COMMENT 'Who makes the goods';

CREATE TABLE IF NOT EXISTS stock (
  sku CHAR(7) NOT NULL,
  hall ENUM('north', 'south') NOT NULL,
  on_hand INT UNSIGNED NOT NULL COMMENT 'Pieces on the shelf',
  reserved INT UNSIGNED NOT NULL COMMENT 'Of these, sold and not yet sent',
  reorder_level INT UNSIGNED NOT NULL,
  counted_at DATETIME NOT NULL COMMENT 'Last stock-taking, UTC',
  PRIMARY KEY (sku, hall)
) COMMENT 'What is in the warehouse';

CREATE TABLE IF NOT EXISTS shipments (
  shipment_id INT NOT NULL PRIMARY KEY,
  supplier_id INT NOT NULL,
  sku CHAR(7) NOT NULL,
  lot VARCHAR(12) NOT NULL,
  quantity INT UNSIGNED NOT NULL,
  unit_cost DECIMAL(10, 2) NOT NULL COMMENT 'EUR, without VAT',
  status ENUM('announced', 'in transit', 'received') NOT NULL,
  expected_on DATE NOT NULL,
  received_at DATETIME NULL COMMENT 'UTC',
  KEY (sku),
  FOREIGN KEY (supplier_id) REFERENCES suppliers (supplier_id)
) COMMENT 'Goods from suppliers, since January 2025';

INSERT INTO suppliers VALUES
  (1, 'Weaverholt', 'tents', 35),
  (2, 'Fenmill', 'tents', 21),
  (3, 'Downrigg', 'sleeping bags and mats', 40),
  (4, 'Strapley', 'packs and dry bags', 30),
  (5, 'Castobar', 'stoves, pots and gas', 28),
  (6, 'Brimcask', 'bottles, lamps and small parts', 25)
ON DUPLICATE KEY UPDATE supplier_id = suppliers.supplier_id;

INSERT INTO stock VALUES
  ('TNT-101', 'north', 14, 1, 8, '2026-11-02 06:10:00'), ('TNT-101', 'south', 6, 0, 4, '2026-11-02 06:10:00'),
  ('TNT-102', 'north', 19, 2, 10, '2026-11-02 06:12:00'), ('TNT-102', 'south', 12, 1, 6, '2026-11-02 06:12:00'),
  ('TNT-103', 'north', 5, 0, 4, '2026-11-02 06:15:00'), ('TNT-103', 'south', 2, 1, 2, '2026-11-02 06:15:00'),
  ('TNT-104', 'north', 22, 1, 8, '2026-11-02 06:17:00'), ('TNT-104', 'south', 9, 0, 4, '2026-11-02 06:17:00'),
  ('TNT-105', 'north', 6, 1, 6, '2026-11-02 06:20:00'), ('TNT-105', 'south', 3, 0, 3, '2026-11-02 06:20:00'),
  ('TNT-106', 'north', 0, 0, 6, '2026-11-02 06:22:00'), ('TNT-106', 'south', 0, 0, 3, '2026-11-02 06:22:00'),
  ('TNT-107', 'north', 11, 1, 5, '2026-11-02 06:24:00'), ('TNT-107', 'south', 0, 0, 2, '2026-11-02 06:24:00'),
  ('SLB-201', 'north', 18, 2, 8, '2026-11-03 06:05:00'), ('SLB-201', 'south', 7, 0, 4, '2026-11-03 06:05:00'),
  ('SLB-202', 'north', 9, 0, 5, '2026-11-03 06:08:00'), ('SLB-202', 'south', 4, 0, 2, '2026-11-03 06:08:00'),
  ('SLB-203', 'north', 26, 1, 10, '2026-11-03 06:11:00'), ('SLB-203', 'south', 13, 0, 5, '2026-11-03 06:11:00'),
  ('MAT-301', 'north', 21, 1, 10, '2026-11-03 06:20:00'), ('MAT-301', 'south', 8, 0, 5, '2026-11-03 06:20:00'),
  ('MAT-302', 'north', 34, 0, 12, '2026-11-03 06:22:00'), ('MAT-302', 'south', 20, 1, 6, '2026-11-03 06:22:00'),
  ('PCK-401', 'north', 12, 1, 6, '2026-11-04 06:02:00'), ('PCK-401', 'south', 5, 0, 3, '2026-11-04 06:02:00'),
  ('PCK-402', 'north', 7, 0, 4, '2026-11-04 06:05:00'), ('PCK-402', 'south', 3, 0, 2, '2026-11-04 06:05:00'),
  ('PCK-403', 'north', 16, 0, 8, '2026-11-04 06:07:00'), ('PCK-403', 'south', 9, 1, 4, '2026-11-04 06:07:00'),
  ('STV-501', 'north', 24, 1, 10, '2026-11-05 06:03:00'), ('STV-501', 'south', 11, 0, 5, '2026-11-05 06:03:00'),
  ('STV-502', 'north', 6, 0, 3, '2026-11-05 06:06:00'), ('STV-502', 'south', 2, 0, 2, '2026-11-05 06:06:00'),
  ('COK-511', 'north', 17, 0, 8, '2026-11-05 06:09:00'), ('COK-511', 'south', 4, 0, 4, '2026-11-05 06:09:00'),
  ('LMP-601', 'north', 31, 2, 12, '2026-11-06 06:01:00'), ('LMP-601', 'south', 14, 0, 6, '2026-11-06 06:01:00'),
  ('LMP-602', 'north', 10, 0, 6, '2026-11-06 06:04:00'), ('LMP-602', 'south', 6, 0, 3, '2026-11-06 06:04:00'),
  ('BTL-701', 'north', 48, 1, 20, '2026-11-06 06:10:00'), ('BTL-701', 'south', 25, 0, 10, '2026-11-06 06:10:00'),
  ('BTL-702', 'north', 15, 0, 8, '2026-11-06 06:12:00'), ('BTL-702', 'south', 7, 0, 4, '2026-11-06 06:12:00'),
  ('ACC-801', 'north', 18, 0, 8, '2026-11-06 06:20:00'), ('ACC-801', 'south', 6, 0, 4, '2026-11-06 06:20:00'),
  ('ACC-802', 'north', 9, 0, 4, '2026-11-06 06:21:00'), ('ACC-802', 'south', 3, 0, 2, '2026-11-06 06:21:00'),
  ('ACC-803', 'north', 52, 0, 15, '2026-11-06 06:23:00'), ('ACC-803', 'south', 21, 0, 8, '2026-11-06 06:23:00'),
  ('ACC-804', 'north', 13, 0, 6, '2026-11-06 06:24:00'), ('ACC-804', 'south', 5, 0, 3, '2026-11-06 06:24:00'),
  ('ACC-805', 'north', 96, 4, 40, '2026-11-06 06:26:00'), ('ACC-805', 'south', 38, 0, 20, '2026-11-06 06:26:00'),
  ('ACC-806', 'north', 14, 0, 8, '2026-11-06 06:28:00'), ('ACC-806', 'south', 10, 1, 4, '2026-11-06 06:28:00')
ON DUPLICATE KEY UPDATE sku = stock.sku;

INSERT INTO shipments VALUES
  (9001, 1, 'TNT-102', 'W-2502', 40, 118.00, 'received', '2025-02-20', '2025-02-24 09:15:00'),
  (9002, 1, 'TNT-104', 'W-2502', 30, 131.50, 'received', '2025-02-20', '2025-02-24 09:40:00'),
  (9003, 1, 'TNT-107', 'W-2503', 20, 172.00, 'received', '2025-03-18', '2025-03-17 13:05:00'),
  (9004, 1, 'TNT-105', 'W-2503', 30, 158.00, 'received', '2025-03-18', '2025-03-17 13:30:00'),
  (9005, 1, 'TNT-101', 'W-2504', 40, 88.40, 'received', '2025-04-10', '2025-04-11 08:20:00'),
  (9006, 2, 'TNT-106', 'F-2504', 36, 52.00, 'received', '2025-04-24', '2025-04-24 10:50:00'),
  (9007, 1, 'TNT-103', 'W-2505', 24, 205.00, 'received', '2025-05-06', '2025-05-08 11:00:00'),
  (9008, 3, 'SLB-201', 'D-2509', 60, 66.00, 'received', '2025-09-15', '2025-09-16 07:45:00'),
  (9009, 3, 'SLB-202', 'D-2510', 24, 128.00, 'received', '2025-10-09', '2025-10-09 12:10:00'),
  (9010, 2, 'TNT-105', 'F-2601', 30, 141.00, 'received', '2026-01-22', '2026-01-23 09:05:00'),
  (9011, 2, 'TNT-102', 'F-2603', 60, 99.50, 'received', '2026-03-05', '2026-03-06 08:30:00'),
  (9012, 1, 'TNT-104', 'W-2603', 40, 134.00, 'received', '2026-03-12', '2026-03-12 14:25:00'),
  (9013, 1, 'TNT-107', 'W-2604', 24, 176.50, 'received', '2026-04-02', '2026-04-07 10:15:00'),
  (9014, 3, 'MAT-301', 'D-2604', 80, 38.20, 'received', '2026-04-16', '2026-04-15 09:50:00'),
  (9015, 6, 'BTL-701', 'B-2605', 150, 6.10, 'received', '2026-05-04', '2026-05-05 07:35:00'),
  (9016, 5, 'ACC-805', 'C-2606', 300, 2.35, 'received', '2026-06-11', '2026-06-11 06:55:00'),
  (9017, 4, 'PCK-401', 'S-2608', 40, 71.00, 'received', '2026-08-20', '2026-08-24 13:40:00'),
  (9018, 3, 'SLB-202', 'D-2610', 20, 131.00, 'received', '2026-10-12', '2026-10-13 08:05:00'),
  (9019, 2, 'TNT-106', 'F-2612', 48, 51.00, 'in transit', '2026-12-03', NULL),
  (9020, 2, 'TNT-102', 'F-2701', 60, 98.00, 'announced', '2027-01-14', NULL),
  (9021, 1, 'TNT-107', 'W-2701', 24, 178.00, 'announced', '2027-01-28', NULL)
ON DUPLICATE KEY UPDATE shipment_id = shipments.shipment_id;
