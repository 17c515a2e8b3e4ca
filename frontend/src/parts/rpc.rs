//! The address at which the chain is asked: the service's suggestion, or the reader's own.

use leptos::prelude::*;

use crate::live::Live;

/// The field for the address; a change counts when the field is left or Enter is pressed.
#[component]
pub(crate) fn RpcAddress() -> impl IntoView {
    let live = expect_context::<Live>();
    // The ledger's news must not reset what is being typed: only another address may.
    let url = Memo::new(move |_| live.rpc_url());
    view! {
        <div class="field rpc">
            <label for="rpc-url">"Chain address (JSON-RPC)"</label>
            <input
                id="rpc-url"
                type="url"
                inputmode="url"
                autocomplete="off"
                spellcheck="false"
                placeholder="http://127.0.0.1:8545"
                aria-describedby="rpc-hint"
                prop:value=url
                on:change=move |event| live.choose_rpc(&event_target_value(&event))
            />
            <p id="rpc-hint" class="hint">
                {move || if live.rpc_is_chosen() { "Your choice. " } else { "The service's suggestion; a node of your own proves more. " }}
                <Show when=move || live.rpc_is_chosen()>
                    <button type="button" class="link" on:click=move |_| live.choose_rpc("")>"Use the service's"</button>
                </Show>
            </p>
        </div>
    }
}
