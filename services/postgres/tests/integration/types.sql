-- booleans and integers
true
null::bool
1::int2
2147483647
9007199254740991
9007199254740993
-9223372036854775808
4294967295::oid
'7'::xid8
-- floats and exact numbers
0.1::float4
1e20::float4
0.1::float8
1e300::float8
5e-324::float8
'NaN'::float8
'Infinity'::float4
'-Infinity'::float8
'-0'::float8
1.50
1.50::numeric(10,4)
'NaN'::numeric
'Infinity'::numeric
123456789012345678901234567890.123456789
1e-20::numeric
12345.67::money
-- text
''
'a"b\c/é😀'
'ab'::char(5)
'ab'::varchar(10)
'x'::"char"
'name'::name
'Mixed'::citext
'red'::color
'light green'::color
'<a>b</a>'::xml
'a fat cat'::tsvector
'fat & cat'::tsquery
'$.a[*]'::jsonpath
'pg_class'::regclass
'pg_catalog.int4'::regtype
'now'::regproc
'16/B374D848'::pg_lsn
'a.b.c'::ltree
'(1, 2)'::cube
'1..2'::seg
'978-0-393-04002-9'::isbn13
'{=r/postgres}'::aclitem[]
'postgres=arwdDxt/postgres'::aclitem
'10:20:10,14'::txid_snapshot
'1 2'::int2vector
'{1,2}'::int2[]::text
-- bytes and bits
'\xdeadbeef'::bytea
''::bytea
convert_to(repeat('a', 300), 'UTF8')
B'10101010'
B'101'::varbit
-- JSON
'{"a": 1, "b": [true, null, "x"]}'::json
'{"b": 1, "a": 2}'::jsonb
'{"big": 12345678901234567890, "exact": 0.1}'::jsonb
'[1.10, 1e400]'::json
'{"a": 1, "a": 2}'::json
'null'::jsonb
'"text"'::jsonb
'9007199254740993'::jsonb
-- dates and times
'2024-02-29'::date
'0044-03-15 BC'::date
'infinity'::date
'-infinity'::date
'12:34:56.789012'::time
'24:00'::time
'12:34:56+02'::timetz
'12:34:56.5-03:30'::timetz
'2024-02-29 12:34:56.789012'::timestamp
'2024-02-29'::timestamp
'infinity'::timestamp
'0044-03-15 01:02:03 BC'::timestamp
'20240-02-29 00:00'::timestamp
'2024-02-29 12:34:56.789012+05:30'::timestamptz
'2024-07-01 00:00:00 Europe/Paris'::timestamptz
'-infinity'::timestamptz
'0044-03-15 01:02:03+00 BC'::timestamptz
'1 year 2 months 3 days 4 hours 5 minutes 6.789 seconds'::interval
'-1 day'::interval
'0'::interval
-- identifiers and addresses
'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::uuid
'192.168.0.1'::inet
'192.168.0.1/24'::inet
'::1'::inet
'10.0.0.0/8'::cidr
'08:00:2b:01:02:03'::macaddr
'08:00:2b:01:02:03:04:05'::macaddr8
-- arrays
'{}'::int[]
array[1, null, 3]
array[[1, 2], [3, 4]]
array[[[1]], [[2]]]
'[0:2]={1,2,3}'::int[]
'[2:3][-1:0]={{1,2},{3,4}}'::int[]
array['a,b', 'c"d', 'e\f', '', 'NULL', null, '{}']
array[9007199254740993]
array[1.50, null]
array['2024-01-01 00:00+00'::timestamptz]
array['{"a": 1}'::jsonb]
array['\xdead'::bytea]
array['(0,0),(1,1)'::box, '(2,2),(3,3)'::box]
array['red', 'light green']::color[]
array['(1,q,"{a,b}")'::point3]
array['{a=>1}'::text]
'{1,2}'::positives
-- composites
row(1, 'a "b" c', array['x', 'y'])::point3
row(null, null, null)::point3
row(9007199254740993, '', '{}')::point3
row(row(1, '(a,b)', '{"c d"}')::point3, '2024-01-01 00:00+00', 'light green')::nested
row(row(1, 'a', '{}')::point3, null, 'red')::place
row(null)::alone
row()::nothing
row(1, 'a b', null)
row()
t from things t
array[row(1, 'x')]
-- ranges
'[1,5)'::int4range
'empty'::int4range
'[1.5,2.5]'::floats
'["2024-01-01 00:00","2024-02-01 00:00")'::tsrange
'{[1,3),[7,9)}'::int4multirange
'{}'::int4multirange
'{["2024-01-01 00:00","2024-02-01 00:00")}'::tsmultirange
-- geometry
'(1,2)'::point
'{1,2,3}'::line
'[(0,0),(1,1)]'::lseg
'(0,0),(1,1)'::box
'((0,0),(1,1),(2,0))'::path
'((0,0),(1,1),(2,0))'::polygon
'<(0,0),1>'::circle
-- domains
5::positive
'{1,2}'::int[]::positives
-- extensions and the rest
'a=>1, "b c"=>NULL, d=>"e\"f"'::hstore
''::hstore
array['a=>1'::hstore]
pg_sleep(0)
(select array_agg(n) from generate_series(1, 3) n)
