//! A menu of links behind a button: closed by Escape, by a click elsewhere, and by going to another page.

use leptos::{ev, html, prelude::*};
use wasm_bindgen::JsCast;

/// A button, and what it opens.
#[component]
pub(crate) fn Menu(
    id: &'static str,
    /// What the button says.
    #[prop(into)]
    label: Signal<String>,
    /// Whether one of its pages is shown.
    #[prop(into)]
    current: Signal<bool>,
    children: ChildrenFn,
) -> impl IntoView {
    let open = RwSignal::new(false);
    let whole = NodeRef::<html::Div>::new();
    let button = NodeRef::<html::Button>::new();
    let clicks = window_event_listener(ev::click, move |event| {
        let target = event.target().and_then(|target| target.dyn_into::<web_sys::Element>().ok());
        let inside = whole.get_untracked().is_some_and(|whole| whole.contains(target.as_deref()));
        let link = target.is_some_and(|target| target.closest("a").is_ok_and(|link| link.is_some()));
        if !inside || link {
            open.set(false);
        }
    });
    let keys = window_event_listener(ev::keydown, move |event| {
        if event.key() == "Escape" && open.get_untracked() {
            open.set(false);
            if let Some(button) = button.get_untracked() {
                // Whoever closed it by the keyboard goes on from here.
                let _ = button.focus();
            }
        }
    });
    on_cleanup(move || {
        clicks.remove();
        keys.remove();
    });
    view! {
        <div class="menu" node_ref=whole>
            <button
                type="button"
                id=id
                node_ref=button
                data-current=move || current.get().to_string()
                aria-expanded=move || open.get().to_string()
                on:click=move |_| open.update(|open| *open = !*open)
            >{label}</button>
            <Show when=move || open.get()><div class="items">{children()}</div></Show>
        </div>
    }
}
