//! Nothing is here.

use leptos::prelude::*;

/// The page for addresses that do not exist.
#[component]
pub(crate) fn NotFoundPage() -> impl IntoView {
    view! {
        <section class="empty">
            <h1>"There is no such page"</h1>
            <p>"The address may be mistyped. An entry's page is " <code>"/ui/anomalies/"<var>"index"</var></code> "."</p>
            <p><a class="button" href="/ui/">"To the live feed"</a></p>
        </section>
    }
}
