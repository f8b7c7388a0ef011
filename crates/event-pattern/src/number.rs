//! Numbers as patterns compare them: from -5e9 to 5e9, exact to six decimals (documented).

use crate::error::PatternError;

const DECIMALS: i64 = 6;
const LIMIT: i128 = 5_000_000_000 * 1_000_000;

/// Millionths.
pub(crate) type Comparable = i64;

/// The number that JSON's `text` means, if it can be compared.
pub(crate) fn comparable(text: &str) -> Option<Comparable> {
    parse(text).ok()
}

/// The same, with AWS's reason when it can't.
pub(crate) fn parse(text: &str) -> Result<Comparable, PatternError> {
    let out_of_range = || PatternError::bare("Value must be between -5.0E9 and 5.0E9, inclusive");
    let (negative, unsigned) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (mantissa, exponent) = unsigned.split_once(['e', 'E']).unwrap_or((unsigned, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    let significant = digits.trim_start_matches('0');
    let trimmed = significant.trim_end_matches('0');
    if trimmed.is_empty() {
        return Ok(0);
    }
    // Beyond any i64 an exponent says only "huge" or "nothing but decimals".
    let exponent =
        exponent.parse::<i64>().unwrap_or(if exponent.starts_with('-') { -(1 << 40) } else { 1 << 40 });
    let zeros = (significant.len() - trimmed.len()) as i64;
    let scale = exponent - fraction.len() as i64 + zeros + DECIMALS;
    if scale < 0 {
        return Err(PatternError::bare("Only values upto 6 decimals are supported"));
    }
    if scale + trimmed.len() as i64 > 17 {
        return Err(out_of_range());
    }
    let value = trimmed.parse::<i128>().map_err(|_| out_of_range())? * 10_i128.pow(scale as u32);
    if value > LIMIT {
        return Err(out_of_range());
    }
    let value = i64::try_from(value).map_err(|_| out_of_range())?;
    Ok(if negative { -value } else { value })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn forms_of_one_number_compare_equal() {
        for text in ["300", "300.0", "3.0e2", "3E+2", "0.3e3", "30000e-2"] {
            assert_eq!(comparable(text), Some(300_000_000), "{text}");
        }
        for text in ["0", "-0", "0.000", "0e9999999999999999999"] {
            assert_eq!(comparable(text), Some(0), "{text}");
        }
        assert_eq!(comparable("-1.000001"), Some(-1_000_001));
        assert_eq!(comparable("5000000000"), Some(5_000_000_000_000_000));
    }

    #[test]
    fn what_is_too_large_or_too_fine_is_not_compared() {
        for text in ["5000000000.000001", "-5000000001", "1e300", "1e99999999999999999999"] {
            assert!(parse(text).unwrap_err().reason().starts_with("Value must be between"), "{text}");
        }
        for text in ["0.0000001", "1e-7", "1e-99999999999999999999"] {
            assert!(parse(text).unwrap_err().reason().starts_with("Only values upto 6 decimals"), "{text}");
        }
    }

    proptest! {
        #[test]
        fn order_is_that_of_the_numbers(a in -5_000_000_000_i64..5_000_000_000, b in -5_000_000_000_i64..5_000_000_000) {
            let (left, right) = (comparable(&a.to_string()).unwrap(), comparable(&b.to_string()).unwrap());
            prop_assert_eq!(left.cmp(&right), a.cmp(&b));
        }
    }
}
