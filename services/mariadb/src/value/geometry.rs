//! Geometries as `GeoJSON`: the server sends the number of the reference system, then well-known binary.

use std::fmt::Write as _;

/// How deep collections may hold each other.
const DEPTH: usize = 32;

/// `{"type":"Point","coordinates":[1,2],"srid":4326}`; `None` for what is not well formed.
pub(super) fn geo_json(bytes: &[u8]) -> Option<String> {
    let (srid, rest) = bytes.split_first_chunk()?;
    let mut reader = Reader { rest, little: true };
    let mut out = String::new();
    reader.geometry(&mut out, DEPTH)?;
    if !reader.rest.is_empty() {
        return None;
    }
    // The closing brace makes room for one more member.
    out.pop();
    write!(out, ",\"srid\":{}}}", u32::from_le_bytes(*srid)).ok()?;
    Some(out)
}

struct Reader<'a> {
    rest: &'a [u8],
    /// The byte order, which each geometry says anew.
    little: bool,
}

impl<'a> Reader<'a> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.rest.split_first_chunk()?;
        self.rest = rest;
        Some(*taken)
    }

    fn count(&mut self) -> Option<u32> {
        let bytes = self.take()?;
        Some(if self.little {
            u32::from_le_bytes(bytes)
        } else {
            u32::from_be_bytes(bytes)
        })
    }

    fn coordinate(&mut self, out: &mut String) -> Option<()> {
        let bytes = self.take()?;
        let number = if self.little {
            f64::from_le_bytes(bytes)
        } else {
            f64::from_be_bytes(bytes)
        };
        if !number.is_finite() {
            return None;
        }
        write!(out, "{number}").ok()
    }

    /// Byte order and type.
    fn header(&mut self) -> Option<u32> {
        let [order] = self.take()?;
        self.little = order == 1;
        self.count()
    }

    fn geometry(&mut self, out: &mut String, depth: usize) -> Option<()> {
        let depth = depth.checked_sub(1)?;
        let (name, member) = match self.header()? {
            1 => ("Point", Self::point as Member<'a>),
            2 => ("LineString", Self::points as Member<'a>),
            3 => ("Polygon", Self::rings as Member<'a>),
            4 => (
                "MultiPoint",
                (|reader, out| reader.parts(out, Self::point)) as Member<'a>,
            ),
            5 => (
                "MultiLineString",
                (|reader, out| reader.parts(out, Self::points)) as Member<'a>,
            ),
            6 => (
                "MultiPolygon",
                (|reader, out| reader.parts(out, Self::rings)) as Member<'a>,
            ),
            7 => {
                out.push_str("{\"type\":\"GeometryCollection\",\"geometries\":");
                self.list(out, |reader, out| reader.geometry(out, depth))?;
                out.push('}');
                return Some(());
            }
            _ => return None,
        };
        write!(out, "{{\"type\":\"{name}\",\"coordinates\":").ok()?;
        member(self, out)?;
        out.push('}');
        Some(())
    }

    fn point(&mut self, out: &mut String) -> Option<()> {
        out.push('[');
        self.coordinate(out)?;
        out.push(',');
        self.coordinate(out)?;
        out.push(']');
        Some(())
    }

    fn points(&mut self, out: &mut String) -> Option<()> {
        self.list(out, Self::point)
    }

    fn rings(&mut self, out: &mut String) -> Option<()> {
        self.list(out, Self::points)
    }

    /// The parts of a multi-geometry, each with a header of its own.
    fn parts(&mut self, out: &mut String, member: Member<'a>) -> Option<()> {
        self.list(out, |reader, out| {
            reader.header()?;
            member(reader, out)
        })
    }

    fn list(
        &mut self,
        out: &mut String,
        mut item: impl FnMut(&mut Self, &mut String) -> Option<()>,
    ) -> Option<()> {
        out.push('[');
        for index in 0..self.count()? {
            if index > 0 {
                out.push(',');
            }
            item(self, out)?;
        }
        out.push(']');
        Some(())
    }
}

/// Reads what stands behind a header.
type Member<'a> = fn(&mut Reader<'a>, &mut String) -> Option<()>;
