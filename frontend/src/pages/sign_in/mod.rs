//! Signing in, registering, and the password that has to be changed first.

mod password;
mod register;

use api::SignIn;
use leptos::prelude::*;

use crate::{
    browser,
    me::Me,
    parts::{Field, Notice, Outcome},
    remote::Doing,
    server::people,
};
pub(crate) use password::{MustChangePage, PasswordForm};
pub(crate) use register::RegisterPage;

/// Signing in, and then to the first page.
#[component]
pub(crate) fn SignInPage() -> impl IntoView {
    let me = expect_context::<Me>();
    let name = move || me.identity().and_then(|identity| identity.name).unwrap_or_default();
    view! {
        <div class="gate">
            <h1>"Sign in"</h1>
            <Show
                when=move || !me.is_user()
                fallback=move || view! {
                    <Notice kind="note" title="You have signed in">
                        <p>"As " <b>{name}</b> ". "<a href="/ui/account">"Your account"</a></p>
                    </Notice>
                }
            ><SignInForm to="/ui/"/></Show>
        </div>
    }
}

/// Name and password. Then the page is loaded anew: this one, or the one that is given.
#[component]
pub(crate) fn SignInForm(#[prop(default = "")] to: &'static str) -> impl IntoView {
    let me = expect_context::<Me>();
    let (name, password) = (RwSignal::new(String::new()), RwSignal::new(String::new()));
    let doing = Doing::new();
    let submit = move || {
        let who = SignIn { name: name.get_untracked(), password: password.get_untracked() };
        let act = async move { people::sign_in(&who).await };
        doing.run(act, move |_| if to.is_empty() { browser::reload() } else { browser::load(to) });
    };
    let is_open = move || me.identity().is_some_and(|identity| identity.open_registration);
    view! {
        <form class="card form" on:submit=move |event| { event.prevent_default(); submit(); }>
            <Field id="name" label="Name" value=name autocomplete="username"/>
            <Field id="password" label="Password" value=password kind="password" autocomplete="current-password"/>
            <Outcome doing/>
            <p class="buttons">
                <button type="submit" id="sign-in" class="primary" disabled=move || doing.busy()>
                    {move || if doing.busy() { "Signing in…" } else { "Sign in" }}
                </button>
            </p>
            <p class="hint">
                <Show when=is_open fallback=|| "No account? An administrator can send you an invitation.">
                    "No account? " <a href="/ui/register">"Register"</a>
                </Show>
            </p>
        </form>
    }
}
