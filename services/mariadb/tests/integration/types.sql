-- integers
tinyint <- -128
tinyint unsigned <- 255
tinyint(1) <- 1
boolean <- true
smallint <- -32768
mediumint <- -8388608
mediumint unsigned <- 16777215
int <- -2147483648
int unsigned <- 4294967295
int(5) zerofill <- 42
bigint <- 9007199254740993
bigint <- -9223372036854775808
bigint unsigned <- 18446744073709551615
year <- 2024
year <- 0
serial <- 7
-- exact and floating numbers
decimal(10,2) <- 1.50
decimal(10,2) unsigned <- 0
decimal(65,30) <- 12345678901234567890123456789012345.123456789012345678901234567890
numeric(5,0) <- -99999
float <- 0.1
float <- 1e20
float(7,3) <- 1.5
double <- 0.1
double <- 1e300
double <- 5e-324
double <- -0e0
-- bits
bit(1) <- b'1'
bit(1) <- b'0'
bit(8) <- b'101'
bit(64) <- 18446744073709551615
-- texts
char(5) <- 'ab'
varchar(20) <- 'a"b\\c/é😀'
varchar(20) character set latin1 <- 'é'
varchar(20) character set utf8mb4 collate utf8mb4_bin <- 'Ab'
varchar(20) character set ucs2 <- 'é'
tinytext <- 'tiny'
text <- ''
mediumtext <- 'medium'
longtext <- '{"a": 1}'
enum('red','light green') <- 'light green'
enum('a','b') character set binary <- 'b'
set('a','b c','d') <- 'a,b c'
set('a') <- ''
-- bytes
binary(3) <- 'a'
varbinary(10) <- x'deadbeef'
tinyblob <- x'00'
blob <- repeat('a', 300)
mediumblob <- 'x'
longblob <- 'x'
char(3) character set binary <- 'abc'
-- JSON
json <- '{"a": 1, "b": [true, null, "x"]}'
json <- '{"big": 12345678901234567890, "exact": 0.1}'
json <- '[1.10, 1e300]'
json <- 'null'
json <- '"text"'
longtext check (json_valid(c)) <- '[1]'
-- dates and times
date <- '2024-02-29'
date <- '0000-00-00'
date <- '2024-02-00'
date <- '9999-12-31'
time <- '12:34:56'
time <- '-838:59:59'
time(6) <- '838:59:58.999999'
time(2) <- '25:00:00.5'
time <- '00:00:00'
datetime <- '2024-02-29 12:34:56'
datetime(3) <- '2024-02-29 12:34:56.7'
datetime(6) <- '2024-02-29 00:00:00.000001'
datetime <- '0000-00-00 00:00:00'
datetime <- '2024-00-15 10:00:00'
timestamp <- '2024-07-01 12:00:00'
timestamp(6) <- '2024-07-01 12:00:00.123456'
timestamp <- '0000-00-00 00:00:00'
-- types of one product or version only
uuid <- 'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'
inet6 <- '2001:db8::ff00:42:8329'
inet4 <- '192.168.0.1'
vector(3) <- vec_fromtext('[1,2.5,-3]')
vector(3) <- string_to_vector('[1,2.5,-3]')
xmltype <- '<a/>'
-- geometry
point <- st_geomfromtext('POINT(1.5 -2)')
point <- st_geomfromtext('POINT(10 20)', 4326)
linestring <- st_geomfromtext('LINESTRING(0 0,1 1,2 1)')
polygon <- st_geomfromtext('POLYGON((0 0,4 0,4 4,0 0),(1 1,2 1,2 2,1 1))')
multipoint <- st_geomfromtext('MULTIPOINT(0 0,1 1)')
multilinestring <- st_geomfromtext('MULTILINESTRING((0 0,1 1),(2 2,3 3))')
multipolygon <- st_geomfromtext('MULTIPOLYGON(((0 0,4 0,4 4,0 0)))')
geometrycollection <- st_geomfromtext('GEOMETRYCOLLECTION(POINT(1 1),LINESTRING(0 0,1 1))')
geometry <- st_geomfromtext('POINT(1 1)')
-- expressions
null
true
1
-1
18446744073709551615
1.50
1e0
'text'
_binary 'bytes'
x'00ff'
b'101'
_latin1 x'e9'
_utf8mb4 'é'
current_date() = current_date()
date '2024-02-29'
timestamp '2024-02-29 12:34:56.5'
time '10:00:00.25'
cast('2024-02-29' as datetime(2))
timediff('2024-01-02 00:00:00', '2024-01-01 12:00:00')
from_unixtime(0)
cast(1 as unsigned)
cast(1.5 as decimal(20,10))
cast(0.1 as float)
cast('[1, 2]' as json)
json_object('a', 1)
json_extract('{"a": 9007199254740993}', '$.a')
hex('a')
md5('a')
concat('a', 1)
concat(_binary 'a', 'b')
inet_aton('127.0.0.1')
point(1, 2)
count(*)
sum(1)
avg(1)
group_concat('a')
coalesce(null, 'x')
if(1, 'a', 2)
nullif(1, 1)
(select 'sub')
bit_or(1)
