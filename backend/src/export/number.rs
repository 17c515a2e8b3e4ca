//! Numbers as texts that intake takes back as the same numbers.

use std::io::Write;

use ledger::canonical::MAX_INTEGER;

/// Writes a number in the shortest form that reads back to the same bits.
///
/// Between 2^53 and 10^16 the usual form has no exponent, and intake refuses such a text: integers of that size are
/// mostly identifiers that a double has changed. With an exponent it says that it means a number.
pub(crate) fn number(out: &mut Vec<u8>, value: f64) {
    // Writing into memory does not fail.
    let _ = if (MAX_INTEGER as f64..1e16).contains(&value.abs()) && value.abs() > MAX_INTEGER as f64 {
        write!(out, "{value:e}")
    } else {
        serde_json::to_writer(out, &value).map_err(Into::into)
    };
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;
    use crate::domain::reading::parse_value;

    fn written(value: f64) -> String {
        let mut out = Vec::new();
        number(&mut out, value);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn numbers_at_the_edges_come_back_through_intake() {
        let edges = [
            0.0,
            0.1 + 0.2,
            f64::MAX,
            f64::MIN,
            f64::MIN_POSITIVE,
            -f64::MIN_POSITIVE,
            f64::EPSILON,
            9_007_199_254_740_991.0,
            -9_007_199_254_740_991.0,
            9_007_199_254_740_992.0,
            -9_007_199_254_740_994.0,
            9_999_999_999_999_998.0,
            1e16,
            1e300,
            1.5e20,
            -1e-300,
        ];
        for value in edges {
            let text = written(value);
            assert_eq!(parse_value("m", &text).map(f64::to_bits), Ok(value.to_bits()), "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_number_that_intake_takes_comes_back(bits in any::<u64>()) {
            let value = f64::from_bits(bits);
            prop_assume!(ledger::text::is_exact(value));
            prop_assert_eq!(parse_value("m", &written(value)).unwrap().to_bits(), bits);
        }

        #[test]
        fn so_does_every_whole_number_of_a_size_that_is_refused_bare(value in 9_007_199_254_740_992_u64..20_000_000_000_000_000) {
            let value = value as f64;
            prop_assert_eq!(parse_value("m", &written(value)).unwrap().to_bits(), value.to_bits());
        }
    }
}
