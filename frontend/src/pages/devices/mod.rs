//! The registry: all devices, a new one, many from a table, and their types.

mod import;
mod list;
mod register;
mod types;

pub(crate) use import::ImportPage;
pub(crate) use list::DevicesPage;
pub(crate) use register::NewDevicePage;
pub(crate) use types::TypesPage;

/// Marks as they are written in a field: `ward=3, floor=2`; those without a name are left out.
pub(crate) fn tags(text: &str) -> std::collections::BTreeMap<String, String> {
    let mark = |part: &str| {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        (name.trim().to_owned(), value.trim().to_owned())
    };
    text.split(',').map(mark).filter(|(name, _)| !name.is_empty()).collect()
}

/// The same, the other way.
pub(crate) fn tags_text(tags: &std::collections::BTreeMap<String, String>) -> String {
    let mark =
        |(name, value): (&String, &String)| if value.is_empty() { name.clone() } else { format!("{name}={value}") };
    tags.iter().map(mark).collect::<Vec<_>>().join(", ")
}

/// A field that may be left empty.
pub(crate) fn given(text: &str) -> Option<String> {
    Some(text.trim().to_owned()).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_read_as_they_are_written() {
        let marks = tags(" ward = 3,, spare , room=a=b");
        assert_eq!(tags_text(&marks), "room=a=b, spare, ward=3");
        assert_eq!(tags(&tags_text(&marks)), marks);
        assert!(tags("").is_empty());
        assert_eq!((given("  "), given(" x ")), (None, Some("x".into())));
    }
}
