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
