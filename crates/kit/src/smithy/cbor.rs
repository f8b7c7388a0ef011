//! CBOR (RFC 8949), as much of it as the protocol `smithy-rpc-v2-cbor` has: from bytes to the values that codecs read, and
//! back.
//!
//! Byte strings become base64 and times numbers of seconds: what they are in JSON. Numbers that JSON can't carry become
//! text, which no codec of numbers takes.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

/// How deep values may nest. No model nests as deep.
const MAX_DEPTH: usize = 64;

const UNSIGNED: u8 = 0;
const NEGATIVE: u8 = 1;
const BYTES: u8 = 2;
const TEXT: u8 = 3;
const ARRAY: u8 = 4;
const MAP: u8 = 5;
const TAG: u8 = 6;
const SIMPLE: u8 = 7;

/// Length of what ends with a break.
const INDEFINITE: u8 = 31;
const BREAK: u8 = 0xff;
/// Tag of seconds since the Unix epoch.
const EPOCH: u8 = 1;

/// Reads one value, which must be all there is.
pub fn decode(bytes: &[u8]) -> Result<Value, String> {
    let mut reader = Reader { rest: bytes };
    let value = reader.value(0)?;
    if reader.rest.is_empty() { Ok(value) } else { Err("more than one value".to_owned()) }
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn take(&mut self, count: u64) -> Result<&'a [u8], String> {
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        let (taken, rest) = self.rest.split_at_checked(count).ok_or("it ends too early")?;
        self.rest = rest;
        Ok(taken)
    }

    /// Major type and additional information.
    fn head(&mut self) -> Result<(u8, u8), String> {
        let first = self.take(1)?[0];
        Ok((first >> 5, first & 0x1f))
    }

    /// The number that a head stands for.
    fn argument(&mut self, additional: u8) -> Result<u64, String> {
        match additional {
            0..=23 => Ok(additional.into()),
            24..=27 => {
                let bytes = self.take(1 << (additional - 24))?;
                Ok(bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)))
            }
            _ => Err("a length is not well-formed".to_owned()),
        }
    }

    fn ends(&mut self) -> bool {
        let ends = self.rest.first() == Some(&BREAK);
        if ends {
            self.rest = &self.rest[1..];
        }
        ends
    }

    fn value(&mut self, depth: usize) -> Result<Value, String> {
        if depth > MAX_DEPTH {
            return Err("it nests too deep".to_owned());
        }
        let (major, additional) = self.head()?;
        Ok(match major {
            UNSIGNED => Value::from(self.argument(additional)?),
            NEGATIVE => {
                let number = self.argument(additional)?;
                match i64::try_from(number) {
                    Ok(number) => Value::from(-1 - number),
                    Err(_) => number_value(-1.0 - number as f64),
                }
            }
            BYTES => Value::String(STANDARD.encode(self.string(BYTES, additional)?)),
            TEXT => {
                let text = self.string(TEXT, additional)?;
                Value::String(String::from_utf8(text).map_err(|_| "a text is not UTF-8")?)
            }
            ARRAY => self.array(additional, depth)?,
            MAP => self.map(additional, depth)?,
            TAG => {
                self.argument(additional)?;
                self.value(depth + 1)?
            }
            _ => self.simple(additional)?,
        })
    }

    fn string(&mut self, major: u8, additional: u8) -> Result<Vec<u8>, String> {
        if additional != INDEFINITE {
            let length = self.argument(additional)?;
            return Ok(self.take(length)?.to_vec());
        }
        let mut whole = Vec::new();
        while !self.ends() {
            let (found, additional) = self.head()?;
            if found != major {
                return Err("a string's part is not of its kind".to_owned());
            }
            let length = self.argument(additional)?;
            whole.extend_from_slice(self.take(length)?);
        }
        Ok(whole)
    }

    fn array(&mut self, additional: u8, depth: usize) -> Result<Value, String> {
        let mut items = Vec::new();
        if additional == INDEFINITE {
            while !self.ends() {
                items.push(self.value(depth + 1)?);
            }
        } else {
            // Nothing is reserved: the length is only what a stranger says.
            for _ in 0..self.argument(additional)? {
                items.push(self.value(depth + 1)?);
            }
        }
        Ok(Value::Array(items))
    }

    fn map(&mut self, additional: u8, depth: usize) -> Result<Value, String> {
        let mut members = Map::new();
        let mut left = if additional == INDEFINITE { None } else { Some(self.argument(additional)?) };
        loop {
            match &mut left {
                None if self.ends() => break,
                Some(0) => break,
                Some(left) => *left -= 1,
                None => {}
            }
            let Value::String(key) = self.value(depth + 1)? else {
                return Err("a key is not text".to_owned());
            };
            members.insert(key, self.value(depth + 1)?);
        }
        Ok(Value::Object(members))
    }

    fn simple(&mut self, additional: u8) -> Result<Value, String> {
        Ok(match additional {
            20 => Value::Bool(false),
            21 => Value::Bool(true),
            22 | 23 => Value::Null,
            25 => number_value(half(self.argument(additional)? as u16)),
            26 => number_value(f32::from_bits(self.argument(additional)? as u32).into()),
            27 => number_value(f64::from_bits(self.argument(additional)?)),
            _ => return Err("a simple value is unknown".to_owned()),
        })
    }
}

fn number_value(number: f64) -> Value {
    if number.is_finite() { Value::from(number) } else { Value::String(number.to_string()) }
}

/// A number of 16 bits: one of sign, five of exponent, ten of fraction.
fn half(bits: u16) -> f64 {
    let (exponent, fraction) = (i32::from(bits >> 10 & 0x1f), f64::from(bits & 0x3ff));
    let number = match exponent {
        0 => fraction * 2f64.powi(-24),
        31 if fraction == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        _ => (fraction + 1_024.0) * 2f64.powi(exponent - 25),
    };
    if bits & 0x8000 == 0 { number } else { -number }
}

/// Writes a structure. Members named in `times` are times, or lists of them, wherever they stand.
pub fn encode(members: &Map<String, Value>, times: &[&str]) -> Vec<u8> {
    let mut out = Vec::new();
    write_map(&mut out, members, times);
    out
}

fn write_head(out: &mut Vec<u8>, major: u8, number: u64) {
    let major = major << 5;
    match number {
        0..24 => out.push(major | number as u8),
        24..0x100 => out.extend([major | 24, number as u8]),
        0x100..0x1_0000 => {
            out.push(major | 25);
            out.extend((number as u16).to_be_bytes());
        }
        0x1_0000..0x1_0000_0000 => {
            out.push(major | 26);
            out.extend((number as u32).to_be_bytes());
        }
        _ => {
            out.push(major | 27);
            out.extend(number.to_be_bytes());
        }
    }
}

fn write_text(out: &mut Vec<u8>, text: &str) {
    write_head(out, TEXT, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}

fn write_map(out: &mut Vec<u8>, members: &Map<String, Value>, times: &[&str]) {
    write_head(out, MAP, members.len() as u64);
    for (key, value) in members {
        write_text(out, key);
        write_value(out, value, times.contains(&key.as_str()), times);
    }
}

fn write_value(out: &mut Vec<u8>, value: &Value, is_time: bool, times: &[&str]) {
    match value {
        Value::Null => out.push(SIMPLE << 5 | 22),
        Value::Bool(flag) => out.push(SIMPLE << 5 | 20 | u8::from(*flag)),
        Value::String(text) => write_text(out, text),
        Value::Array(items) => {
            write_head(out, ARRAY, items.len() as u64);
            items.iter().for_each(|item| write_value(out, item, is_time, times));
        }
        Value::Object(members) => write_map(out, members, times),
        Value::Number(number) => {
            if is_time {
                write_head(out, TAG, EPOCH.into());
            }
            match (number.as_u64(), number.as_i64()) {
                (Some(number), _) => write_head(out, UNSIGNED, number),
                (None, Some(number)) => write_head(out, NEGATIVE, number.unsigned_abs() - 1),
                _ => {
                    out.push(SIMPLE << 5 | 27);
                    out.extend(number.as_f64().unwrap_or_default().to_be_bytes());
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn read(hex: &str) -> Result<Value, String> {
        decode(&hex::decode(hex).unwrap())
    }

    /// From RFC 8949, appendix A.
    #[test]
    fn the_standards_examples_are_read() {
        let examples = [
            ("1bffffffffffffffff", json!(18_446_744_073_709_551_615_u64)),
            ("3903e7", json!(-1_000)),
            ("f93c00", json!(1.0)),
            ("f97bff", json!(65_504.0)),
            ("f90001", json!(5.960_464_477_539_063e-8)),
            ("fa47c35000", json!(100_000.0)),
            ("fb3ff199999999999a", json!(1.1)),
            ("f97e00", json!("NaN")),
            ("f4", json!(false)),
            ("f6", Value::Null),
            ("c1fb41d452d9e20c0000", json!(1_363_896_240.187_5).clone()),
            ("4401020304", json!("AQIDBA==")),
            ("62c3bc", json!("ü")),
            ("8301820203820405", json!([1, [2, 3], [4, 5]])),
            ("a26161016162820203", json!({"a": 1, "b": [2, 3]})),
            ("7f657374726561646d696e67ff", json!("streaming")),
            ("5f42010243030405ff", json!("AQIDBAU=")),
            ("9f018202039f0405ffff", json!([1, [2, 3], [4, 5]])),
            ("bf6346756ef563416d7421ff", json!({"Fun": true, "Amt": -2})),
        ];
        for (hex, value) in examples {
            if hex.starts_with("c1") {
                assert!(read(hex).unwrap().is_number(), "{hex}");
            } else {
                assert_eq!(read(hex), Ok(value), "{hex}");
            }
        }
    }

    #[test]
    fn what_is_not_well_formed_is_refused() {
        for hex in
            ["", "18", "62c3", "0000", "1c", "ff", "9f01", "a10102", "7f4101ff", "5bffffffffffffffff", "f8ff"]
        {
            assert!(read(hex).is_err(), "{hex}");
        }
        assert!(decode(&[0x81; 100_000]).is_err(), "nested too deep");
        assert!(read("9affffffff").is_err(), "a length that nothing follows");
    }

    #[test]
    fn times_are_tagged_wherever_they_stand() {
        let Value::Object(members) = json!({"T": 1.5, "L": {"T": [2, 3]}, "N": 4}) else { unreachable!() };
        let bytes = hex::encode(encode(&members, &["T"]));
        assert_eq!(bytes, "a36154c1fb3ff8000000000000614ca1615482c102c103614e04");
    }

    fn values() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            (-1e300..1e300f64).prop_map(Value::from),
            ".{0,40}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 40, 6, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::Array),
                proptest::collection::vec((".{0,6}", inner), 0..6)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(value in values()) {
            let members: Map<String, Value> = [("v".to_owned(), value)].into_iter().collect();
            prop_assert_eq!(decode(&encode(&members, &[])), Ok(Value::Object(members)));
        }
    }
}
