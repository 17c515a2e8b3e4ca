//! What stands before a page that is not for everybody: the way in, right here, and then the page.

use api::CallerKind;
use leptos::prelude::*;

use super::sign_in::SignInForm;
use crate::{
    live::Remote,
    me::Me,
    parts::{Failed, Loading, Notice},
};

/// What is to be shown.
#[derive(Debug, Clone, PartialEq)]
enum Stand {
    Asking,
    Unknown(crate::http::Fault),
    SignIn,
    NotAllowed,
    Allowed,
}

/// Shows the page to those who may do this, and to others how to get there.
#[component]
pub(crate) fn Needs(action: &'static str, children: ChildrenFn) -> impl IntoView {
    let me = expect_context::<Me>();
    let stand = Memo::new(move |_| match me.known() {
        Remote::Loading => Stand::Asking,
        Remote::Failed(fault) => Stand::Unknown(fault),
        Remote::Ready(_) if me.may(action).is_some() => Stand::Allowed,
        Remote::Ready(identity) if identity.caller == CallerKind::User => Stand::NotAllowed,
        Remote::Ready(_) => Stand::SignIn,
    });
    move || {
        match stand.get() {
        Stand::Asking => view! { <Loading what="Asking who you are…"/> }.into_any(),
        Stand::Unknown(fault) => {
            view! { <Failed title="The service does not say who you are" fault retry=move |()| me.refresh()/> }.into_any()
        }
        Stand::SignIn => view! {
            <div class="gate">
                <h1>"Sign in"</h1>
                <p class="says">"This page is for people who have signed in. The log, its proofs and the chain are open to everybody."</p>
                <SignInForm/>
            </div>
        }
        .into_any(),
        Stand::NotAllowed => view! {
            <Notice kind="note" title="This page is not for your roles">
                <p>"What you may do is decided by an administrator. Your roles stand behind your name, at the top."</p>
            </Notice>
        }
        .into_any(),
        Stand::Allowed => children().into_any(),
    }
    }
}
