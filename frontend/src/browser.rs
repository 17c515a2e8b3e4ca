//! Small services of the browser: clipboard, downloads, and the last words of a page that has failed.

use js_sys::{Array, Reflect, Uint8Array};
use leptos::prelude::{document, window};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{Blob, BlobPropertyBag, HtmlAnchorElement, Url};

/// Copies text. False where the browser does not allow it, as on a page without TLS from another machine.
pub(crate) async fn copy(text: &str) -> bool {
    let navigator = window().navigator();
    let clipboard = Reflect::get(&navigator, &JsValue::from_str("clipboard"));
    if !clipboard.is_ok_and(|clipboard| clipboard.is_object()) {
        return false;
    }
    JsFuture::from(navigator.clipboard().write_text(text)).await.is_ok()
}

/// Gives the reader a file. False where the browser does not allow it.
pub(crate) fn download(name: &str, bytes: &[u8]) -> bool {
    save(name, bytes).is_ok()
}

fn save(name: &str, bytes: &[u8]) -> Result<(), JsValue> {
    let options = BlobPropertyBag::new();
    options.set_type("application/json");
    let parts = Array::of1(&Uint8Array::from(bytes));
    let blob = Blob::new_with_u8_array_sequence_and_options(&parts, &options)?;
    let url = Url::create_object_url_with_blob(&blob)?;
    let link: HtmlAnchorElement = document().create_element("a")?.dyn_into()?;
    link.set_href(&url);
    link.set_download(name);
    link.click();
    Url::revoke_object_url(&url)
}

/// Milliseconds since the page was opened, finer than the clock's; only differences mean anything.
pub(crate) fn elapsed() -> f64 {
    window().performance().map_or(f64::NAN, |performance| performance.now())
}

/// The service's address, as the page knows it.
pub(crate) fn origin() -> String {
    window().location().origin().unwrap_or_default()
}

/// Loads the page anew. Nothing that was shown to somebody else stays.
pub(crate) fn reload() {
    // A browser that refuses shows what it showed.
    let _ = window().location().reload();
}

/// Loads another page of this service anew.
pub(crate) fn load(path: &str) {
    let _ = window().location().assign(path);
}

/// Reads what stands behind `#` in the address, and takes it away from there.
pub(crate) fn take_fragment() -> String {
    let location = window().location();
    let fragment = location.hash().unwrap_or_default();
    if let (Ok(path), Ok(history)) = (location.pathname(), window().history()) {
        // What cannot be taken away is at least not sent anywhere: fragments are not.
        let _ = history.replace_state_with_url(&JsValue::NULL, "", Some(&path));
    }
    fragment.trim_start_matches('#').to_owned()
}

/// The text of the file that was chosen in a field; `None` where none is, or where it is no text.
pub(crate) async fn chosen_file(event: &web_sys::Event) -> Option<String> {
    let input: web_sys::HtmlInputElement = event.target()?.dyn_into().ok()?;
    let file = input.files()?.get(0)?;
    JsFuture::from(file.text()).await.ok()?.as_string()
}

/// Takes an element out of the page.
pub(crate) fn remove(id: &str) {
    if let Some(element) = document().get_element_by_id(id) {
        element.remove();
    }
}

/// A fault of this program must not look like a quiet page: it is said on the page itself.
pub(crate) fn report_panics() {
    std::panic::set_hook(Box::new(|info| {
        let text =
            format!("This page has stopped because of a fault in it, and shows nothing new. Reload it. ({info})");
        if let (Ok(note), Some(body)) = (document().create_element("p"), document().body()) {
            note.set_class_name("crash");
            note.set_text_content(Some(&text));
            // If even this fails, there is nobody left to tell.
            let _ = note.set_attribute("role", "alert");
            let _ = body.prepend_with_node_1(&note);
        }
    }));
}
