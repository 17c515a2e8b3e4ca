//! The parameters that these routes share: times, spans, labels, places in a list.

use std::time::Duration;

use api::{Code, Label};
use axum::extract::{Query, rejection::QueryRejection};

use super::super::{canonical, excerpt};
use crate::{
    domain::{
        Micros,
        series::{Position, RowKey, Span},
    },
    export::label_of,
    problem::Fault,
};

/// A parameter that is not what the route takes.
pub(super) fn invalid(what: impl ToString) -> Fault {
    Fault::new(Code::InvalidParameter, what)
}

/// The parameters, or what is wrong with them.
pub(super) fn query<T>(query: Result<Query<T>, QueryRejection>) -> Result<T, Fault> {
    query.map(|Query(query)| query).map_err(|error| invalid(error.body_text()))
}

/// A time, by the parameter's name.
pub(super) fn time(name: &str, text: &str) -> Result<Micros, Fault> {
    // In an address `+` is a space, and few remember to write it as %2B.
    let offset = text.len().checked_sub(6).filter(|at| text.is_char_boundary(*at) && text[*at..].starts_with(' '));
    let text = match offset {
        Some(at) if text.contains(['T', 't']) => format!("{}+{}", &text[..at], &text[at + 1..]),
        _ => text.to_owned(),
    };
    Micros::parse(&text).map_err(|error| invalid(format!("{name}: {error}")))
}

/// A span of which either end may be open.
pub(super) fn span(from: Option<&str>, to: Option<&str>) -> Result<Span, Fault> {
    let from = from.map(|text| time("from", text)).transpose()?.unwrap_or(Span::ALL.from());
    let to = to.map(|text| time("to", text)).transpose()?.unwrap_or(Span::ALL.to());
    Span::new(from, to).map_err(invalid)
}

/// A span that ends now unless it is said otherwise, and has this length unless it is said where it begins.
pub(super) fn recent(from: Option<&str>, to: Option<&str>, now: Micros, length: Duration) -> Result<Span, Fault> {
    let to = to.map(|text| time("to", text)).transpose()?.unwrap_or(now);
    let before = Micros(to.0.saturating_sub(i64::try_from(length.as_micros()).unwrap_or(i64::MAX)));
    let from = from.map(|text| time("from", text)).transpose()?.unwrap_or(before);
    Span::new(from, to).map_err(invalid)
}

/// A label, as it stands in a reading's judgement.
pub(super) fn label(text: Option<&str>) -> Result<Option<Label>, Fault> {
    let Some(text) = text else { return Ok(None) };
    let what = || invalid(format!("expected the label normal, anomaly or warming_up, found {:?}", excerpt(text)));
    label_of(text).map(Some).ok_or_else(what)
}

/// A row's place, as a page's cursor names it: its time in microseconds, and what it is known by.
pub(super) fn cursor(position: Position) -> String {
    let time = position.time.0;
    match position.key {
        RowKey::Time => format!("{time}.t"),
        RowKey::Sequence(sequence) => format!("{time}.{sequence}"),
        RowKey::Silence => format!("{time}.s"),
    }
}

/// The place that a cursor names.
pub(super) fn position(text: &str) -> Result<Position, Fault> {
    let place = || {
        let (time, key) = text.split_once('.')?;
        let key = match key {
            "t" => RowKey::Time,
            "s" => RowKey::Silence,
            sequence => RowKey::Sequence(canonical(sequence)?),
        };
        Some(Position { time: Micros(canonical(time)?), key })
    };
    place().ok_or_else(|| invalid(format!("expected a next_cursor, found {:?}", excerpt(text))))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_time_is_the_same_in_every_zone_and_with_a_plus_that_became_a_space() {
        let expected = time("from", "2026-01-05T08:00:00Z").unwrap();
        for text in [
            "2026-01-05T09:00:00+01:00",
            "2026-01-05T09:00:00 01:00",
            "2026-01-05T03:00:00-05:00",
            "2026-01-05T13:30:00.000 05:30",
            "2026-01-05 08:00:00",
            "2026-01-05T08:00:00",
        ] {
            assert_eq!(time("from", text), Ok(expected), "{text}");
        }
        for text in
            ["", "now", "2026-01-05", "2026-13-05T08:00:00Z", "1767600000", "2026-01-05T08:00:00 99:00", "é 00:00"]
        {
            assert!(time("from", text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_cursor_leads_back_to_its_place() {
        for key in [RowKey::Time, RowKey::Silence, RowKey::Sequence(0), RowKey::Sequence(9_007_199_254_740_991)] {
            for time in [Micros(0), Micros(-1), Micros(1_767_600_000_123_456)] {
                let place = Position { time, key };
                assert_eq!(position(&cursor(place)), Ok(place));
            }
        }
        for text in ["", "5", "+5.t", "5.", "5.x", "05.t", "5.-1", "5.t.t"] {
            assert!(position(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_span_ends_after_its_beginning() {
        assert_eq!(span(None, None), Ok(Span::ALL));
        let (early, late) = (Some("2026-01-05T08:00:00Z"), Some("2026-01-05T09:00:00Z"));
        assert!(span(early, late).is_ok() && span(late, early).is_err() && span(early, early).is_err());
        let now = time("to", "2026-01-05T10:00:00Z").unwrap();
        let hour = recent(None, None, now, Duration::from_secs(3_600)).unwrap();
        assert_eq!((hour.from(), hour.to()), (time("", late.unwrap()).unwrap(), now));
        assert!(recent(Some("2026-01-05T11:00:00Z"), None, now, Duration::from_secs(1)).is_err());
    }
}
