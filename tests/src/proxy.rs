//! A proxy before a node, which spoils JSON-RPC requests and answers on command.
//!
//! It forwards what it is not told to spoil. It knows nothing of the service, nor of what the requests mean.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::Notify, task::JoinHandle};

use crate::service::http;

/// What is done to a request.
#[derive(Debug, Clone)]
pub enum Fault {
    /// It does not reach the node, and is answered as by a gateway without one.
    Down,
    /// It reaches the node; the answer is lost.
    LoseAnswer,
    /// It reaches the node, which is said to have refused it in these words.
    Refuse(&'static str),
    /// It does not reach the node, which is said to have refused it in these words.
    Stop(&'static str),
    /// It does not reach the node; this is the result.
    Answer(Value),
    /// The node's result is changed.
    Change(fn(&mut Value)),
    /// It is answered as a node that knows no block above this one would do, the final one two blocks below.
    AsOf(u64),
    /// It is never answered.
    Hang,
    /// It is answered with more than anybody asked for.
    Flood,
    /// It waits until the test lets it go on.
    Hold(Arc<Notify>),
    /// The process with this id is killed, and the request does not reach the node.
    KillBefore(u32),
    /// The request reaches the node, and the process is killed before it has the answer.
    KillAfter(u32),
}

/// One request that came.
#[derive(Debug, Clone, PartialEq)]
pub struct Asked {
    /// The method.
    pub method: String,
    /// Its parameters.
    pub params: Value,
}

/// A fault, and the requests that it is for.
#[derive(Debug)]
struct Rule {
    /// `*` for any.
    method: String,
    /// It begins to count after a request of this method.
    armed_by: Option<String>,
    /// How many such requests go through before.
    after: usize,
    /// How many are spoilt.
    times: usize,
    fault: Fault,
}

/// A running proxy. It ends with the value.
#[derive(Debug)]
pub struct Proxy {
    url: String,
    shared: Arc<Shared>,
    server: JoinHandle<()>,
}

#[derive(Debug)]
struct Shared {
    node: String,
    rules: Mutex<Vec<Rule>>,
    asked: Mutex<Vec<Asked>>,
}

impl Proxy {
    /// Starts a proxy before this node.
    pub async fn start(node: String) -> Self {
        let shared = Arc::new(Shared { node, rules: Mutex::default(), asked: Mutex::default() });
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port is free");
        let url = format!("http://{}", listener.local_addr().expect("it is bound"));
        let router = Router::new().fallback(serve).with_state(Arc::clone(&shared));
        let server = tokio::spawn(async move { axum::serve(listener, router).await.expect("the proxy serves") });
        Self { url, shared, server }
    }

    /// Its address.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Spoils every request of a method (`*` for any) from now on.
    pub fn always(&self, method: &str, fault: Fault) {
        self.spoil(method, 0, usize::MAX, fault);
    }

    /// Spoils the next request of a method.
    pub fn once(&self, method: &str, fault: Fault) {
        self.spoil(method, 0, 1, fault);
    }

    /// Lets some requests of a method through, and spoils the one after them.
    pub fn nth(&self, method: &str, after: usize, fault: Fault) {
        self.spoil(method, after, 1, fault);
    }

    /// Spoils one request of any method: so many after the next one of this method.
    pub fn nth_after(&self, method: &str, after: usize, fault: Fault) {
        self.add(Rule { method: "*".to_owned(), armed_by: Some(method.to_owned()), after, times: 1, fault });
    }

    fn spoil(&self, method: &str, after: usize, times: usize, fault: Fault) {
        self.add(Rule { method: method.to_owned(), armed_by: None, after, times, fault });
    }

    fn add(&self, rule: Rule) {
        self.shared.rules.lock().expect("no panic while locked").push(rule);
    }

    /// Spoils nothing any more.
    pub fn heal(&self) {
        self.shared.rules.lock().expect("no panic while locked").clear();
    }

    /// The requests that came, in their order.
    pub fn asked(&self) -> Vec<Asked> {
        self.shared.asked.lock().expect("no panic while locked").clone()
    }

    /// The signed transactions that came, in their order.
    pub fn sent(&self) -> Vec<Value> {
        let asked = self.asked().into_iter();
        asked.filter(|asked| asked.method == "eth_sendRawTransaction").map(|asked| asked.params[0].clone()).collect()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Shared {
    /// Notes the request, and takes the fault that is meant for it.
    fn note(&self, asked: Asked) -> Option<Fault> {
        let mut rules = self.rules.lock().expect("no panic while locked");
        self.asked.lock().expect("no panic while locked").push(asked.clone());
        for rule in rules.iter_mut() {
            if let Some(method) = &rule.armed_by {
                if *method == asked.method {
                    rule.armed_by = None;
                }
                continue;
            }
            if rule.method != "*" && rule.method != asked.method || rule.times == 0 {
                continue;
            }
            if rule.after > 0 {
                rule.after -= 1;
                continue;
            }
            rule.times -= 1;
            return Some(rule.fault.clone());
        }
        None
    }

    /// The node's answer.
    async fn forward(&self, request: &Value) -> Result<Value, reqwest::Error> {
        http().post(&self.node).json(request).send().await?.json().await
    }
}

async fn serve(State(shared): State<Arc<Shared>>, body: Bytes) -> Response {
    let Ok(mut request) = serde_json::from_slice::<Value>(&body) else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    let method = request["method"].as_str().unwrap_or_default().to_owned();
    let fault = shared.note(Asked { method, params: request["params"].clone() });
    match &fault {
        Some(Fault::Down) => return StatusCode::BAD_GATEWAY.into_response(),
        Some(Fault::Stop(words)) => return refusal(&request, words),
        Some(Fault::Answer(result)) => return answer(&request, result.clone()),
        Some(Fault::Hang) => std::future::pending().await,
        Some(Fault::Flood) => return answer(&request, Value::from("x".repeat(5 << 20))),
        Some(Fault::Hold(go)) => go.notified().await,
        Some(Fault::KillBefore(pid)) => {
            kill(*pid);
            return StatusCode::BAD_GATEWAY.into_response();
        }
        Some(Fault::AsOf(block)) if !make_older(&mut request, *block) => return answer(&request, Value::Null),
        _ => {}
    }
    let Ok(mut forwarded) = shared.forward(&request).await else { return StatusCode::BAD_GATEWAY.into_response() };
    match fault {
        Some(Fault::LoseAnswer) => return StatusCode::GATEWAY_TIMEOUT.into_response(),
        Some(Fault::Refuse(words)) => return refusal(&request, words),
        Some(Fault::Change(change)) => change(&mut forwarded["result"]),
        Some(Fault::KillAfter(pid)) => {
            kill(pid);
            return StatusCode::GATEWAY_TIMEOUT.into_response();
        }
        _ => {}
    }
    axum::Json(forwarded).into_response()
}

fn answer(request: &Value, result: Value) -> Response {
    axum::Json(json!({ "jsonrpc": "2.0", "id": request["id"], "result": result })).into_response()
}

fn refusal(request: &Value, words: &str) -> Response {
    let error = json!({ "code": -32_000, "message": words });
    axum::Json(json!({ "jsonrpc": "2.0", "id": request["id"], "error": error })).into_response()
}

/// Asks for the newest block as it was; false if a later block is asked for by its number.
fn make_older(request: &mut Value, newest: u64) -> bool {
    // This one's first number counts blocks.
    let counts = request["method"] == "eth_feeHistory";
    let Some(params) = request["params"].as_array_mut() else { return true };
    for param in params {
        let Some(text) = param.as_str() else { continue };
        match text {
            "latest" => *param = json!(format!("{newest:#x}")),
            "finalized" => *param = json!(format!("{:#x}", newest.saturating_sub(2))),
            // A short number in hex is a block's; hashes and addresses are longer.
            _ if counts => {}
            _ => {
                let number = text.strip_prefix("0x").filter(|digits| digits.len() < 17);
                if number.and_then(|digits| u64::from_str_radix(digits, 16).ok()).is_some_and(|n| n > newest) {
                    return false;
                }
            }
        }
    }
    true
}

/// Ends a process as a power cut would, and waits until it has ended: a zombie takes no further step.
fn kill(pid: u32) {
    let killed = std::process::Command::new("kill").args(["-9", &pid.to_string()]).status();
    killed.expect("kill is on every machine");
    let stat = format!("/proc/{pid}/stat");
    let ended = || std::fs::read_to_string(&stat).map_or(true, |stat| stat.contains(") Z"));
    while !ended() {
        std::thread::sleep(Duration::from_millis(1));
    }
}
