//! One's own account: password, sessions, tokens.

mod sessions;
mod tokens;

use leptos::prelude::*;

use super::sign_in::PasswordForm;
use crate::{me::Me, words};
use sessions::Sessions;
use tokens::Tokens;

/// The account of who has signed in.
#[component]
pub(crate) fn AccountPage() -> impl IntoView {
    let me = expect_context::<Me>();
    let identity = Memo::new(move |_| me.identity());
    let name = move || identity.get().and_then(|identity| identity.name).unwrap_or_default();
    let roles = move || {
        let roles = identity.get().map(|identity| identity.roles).unwrap_or_default();
        roles.into_iter().map(words::role).collect::<Vec<_>>().join(", ")
    };
    let changed = RwSignal::new(false);
    view! {
        <div class="title-row"><h1>{name}</h1><p class="says">{roles}</p></div>
        <div class="two">
            <section>
                <PasswordForm title="Password" done=move |()| changed.set(true)/>
                <p role="status" id="password-said">
                    {move || changed.get().then_some("Changed. All your other sessions have ended.")}
                </p>
            </section>
            <div><Sessions/><Tokens/></div>
        </div>
    }
}
