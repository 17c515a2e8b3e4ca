//! The browser's clock and its way of writing times. It refuses to compute with calendars.

use js_sys::{Date, Object, Reflect};
use wasm_bindgen::JsValue;

/// Milliseconds since 1970, now.
pub(crate) fn now() -> f64 {
    Date::now()
}

/// A time from outside, in milliseconds since 1970; `None` if it is none.
pub(crate) fn parse(text: &str) -> Option<f64> {
    let time = Date::parse(text);
    time.is_finite().then_some(time)
}

/// RFC 3339 in UTC.
pub(crate) fn iso(time: f64) -> String {
    Date::new(&JsValue::from_f64(time)).to_iso_string().into()
}

/// The reader's own time of day, with the date where that is not today.
pub(crate) fn local(time: f64) -> String {
    let date = Date::new(&JsValue::from_f64(time));
    let today = Date::new_0().to_date_string() == date.to_date_string();
    let clock = [("hour", "2-digit"), ("minute", "2-digit"), ("second", "2-digit"), ("hourCycle", "h23")];
    let day = [("day", "numeric"), ("month", "short")];
    let year = [("year", "numeric")];
    let mut shown = clock.to_vec();
    if !today {
        shown.extend(day);
    }
    if Date::new_0().get_full_year() != date.get_full_year() {
        shown.extend(year);
    }
    date.to_locale_string("en-GB", &options(&shown)).into()
}

/// The reader's own date and time of day, always both.
pub(crate) fn full(time: f64) -> String {
    let shown = [
        ("day", "numeric"),
        ("month", "long"),
        ("year", "numeric"),
        ("hour", "2-digit"),
        ("minute", "2-digit"),
        ("hourCycle", "h23"),
    ];
    Date::new(&JsValue::from_f64(time)).to_locale_string("en-GB", &options(&shown)).into()
}

/// A time within a span of so many milliseconds, as short as it can be told: the time of day, or the day.
pub(crate) fn short(time: f64, span: f64) -> String {
    let clock = [("hour", "2-digit"), ("minute", "2-digit"), ("hourCycle", "h23")];
    let day = [("day", "numeric"), ("month", "short")];
    let shown = if span > 172_800_000.0 { &day[..] } else { &clock[..] };
    Date::new(&JsValue::from_f64(time)).to_locale_string("en-GB", &options(shown)).into()
}

fn options(members: &[(&str, &str)]) -> JsValue {
    let object = Object::new();
    for (name, value) in members {
        // Setting a member of a fresh object cannot fail.
        let _ = Reflect::set(&object, &JsValue::from_str(name), &JsValue::from_str(value));
    }
    object.into()
}
