// scalars
null
true
1
-9223372036854775808
9223372036854775807
9007199254740993
1.5
1e300
0.1
0.0/0.0
1.0/0.0
-1.0/0.0
''
'é😀"\\'
// lists and maps: nulls kept, nothing dropped; the order of a map is the server's
[]
[1, null, 'a', [2.5, []]]
{z: 1, a: null, m: {b: [1, {c: date('2024-01-01')}]}}
range(1, 130)
[n in range(1, 63) | n / 10.0]
[n in range(1, 64) | n / 10.0]
[n in range(1, 64) | n]
// dates and times
date('2024-02-29')
date('-0044-03-15')
date('+12024-01-01')
localtime('12:34:56.789012345')
localtime('00:00')
time('12:34:56.789+05:30')
time('12:00Z')
localdatetime('2024-02-29T12:34:56.000000001')
datetime('2024-01-01T10:00:00Z')
datetime('2024-01-01T10:00:00-18:00')
datetime('2024-01-01T10:00:00.123456789+01:00[Europe/Paris]')
datetime('2024-10-27T02:30:00+02:00[Europe/Paris]')
datetime('2024-10-27T02:30:00+01:00[Europe/Paris]')
datetime('1800-01-01T00:00:00[Europe/Paris]')
datetime('+12024-07-01T10:00[America/New_York]')
datetime('1969-12-31T23:59:59.5Z')
datetime('-999999999-01-01T00:00:00Z')
datetime('+999999999-12-31T23:59:59.999999999Z')
// durations: months, days and seconds are not mixed
duration('P14M3DT16706.789S')
duration('P1Y2M3W4DT5H6M7.000000008S')
duration('PT-0.5S')
duration('P-1M-2DT-3S')
duration({seconds: 0})
duration.between(date('2024-01-31'), date('2024-03-01'))
// points
point({latitude: 48.85, longitude: 2.35})
point({latitude: 48.85, longitude: 2.35, height: 35.5})
point({x: 1, y: 2})
point({x: 1.5, y: -2, z: 1e10})
