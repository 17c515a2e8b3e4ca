//! The page around the WASM: its style sheet, its starter, its `index.html`.

use std::{fs, path::Path};

use crate::{Error, files};

/// What `frontend/assets` holds.
pub(crate) struct Assets {
    index: String,
    start: String,
    icon: String,
    style: String,
}

impl Assets {
    /// Reads them; the style sheets are joined in the order of their names.
    pub(crate) fn read(from: &Path) -> Result<Self, Error> {
        let text = |name: &str| -> Result<String, Error> { Ok(String::from_utf8(files::read(&from.join(name))?)?) };
        let mut sheets: Vec<_> = fs::read_dir(from.join("style"))?.collect::<Result<_, _>>()?;
        sheets.sort_by_key(fs::DirEntry::file_name);
        let mut style = String::new();
        for sheet in sheets {
            style.push_str(&fs::read_to_string(sheet.path())?);
        }
        Ok(Self { index: text("index.html")?, start: text("start.js")?, icon: text("icon.svg")?, style })
    }

    /// All of it, as bytes.
    pub(crate) fn parts(&self) -> [&[u8]; 4] {
        [self.index.as_bytes(), self.start.as_bytes(), self.icon.as_bytes(), self.style.as_bytes()]
    }
}

/// Writes every file of the dashboard; gives their names.
pub(crate) fn write(assets: &Assets, script: &str, wasm: &[u8], out: &Path) -> Result<Vec<String>, Error> {
    let wasm = files::write_hashed(out, "dashboard", "wasm", wasm)?;
    let glue = files::write_hashed(out, "dashboard", "js", script.as_bytes())?;
    let style = files::write_hashed(out, "style", "css", assets.style.as_bytes())?;
    let icon = files::write_hashed(out, "icon", "svg", assets.icon.as_bytes())?;
    let start = fill(&assets.start, &[("GLUE", &glue), ("WASM", &wasm)])?;
    let start = files::write_hashed(out, "start", "js", start.as_bytes())?;
    let places = [("GLUE", &*glue), ("WASM", &*wasm), ("STYLE", &*style), ("ICON", &*icon), ("START", &*start)];
    files::write_compressed(out, "index.html", fill(&assets.index, &places)?.as_bytes())?;
    Ok(vec![wasm, glue, style, icon, start, "index.html".to_owned()])
}

/// Puts names in the places of a template; a place without a name is an error.
fn fill(template: &str, places: &[(&str, &str)]) -> Result<String, Error> {
    let mut text = template.to_owned();
    for (place, name) in places {
        text = text.replace(&format!("{{{{{place}}}}}"), name);
    }
    match text.split_once("{{").and_then(|(_, rest)| rest.split_once("}}")) {
        Some((place, _)) => Err(format!("a template has a place that nothing fills: {place}").into()),
        None => Ok(text),
    }
}
