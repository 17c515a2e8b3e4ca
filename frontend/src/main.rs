//! The dashboard: shows what the service says as such, and what verified bytes say as fact.
//!
//! It runs in the browser alone, under /ui/. It talks to the service in [`server`], to the chain in [`chain`] and
//! to the browser's storage in [`memory`], each in one place; every verdict comes out of the `ledger` crate. It
//! refuses to sign, to hold secrets, and to take a changed trust root without being told to.

#![expect(unreachable_pub, reason = "leptos makes the properties of every component public")]

mod app;
mod browser;
mod chain;
mod check;
mod clock;
mod completeness;
mod format;
mod http;
mod live;
mod log;
mod me;
mod memory;
mod pages;
mod parts;
mod remote;
mod route;
mod server;
mod trust;
mod words;

fn main() {
    browser::report_panics();
    browser::remove("boot");
    leptos::mount::mount_to_body(app::App);
}
