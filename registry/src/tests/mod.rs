//! The registry over HTTP, on a journal in memory.

mod rest;

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, Weak};

use async_trait::async_trait;
use serde_json::Value as Json;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::api::{Services, serve};
use crate::compat::Level;
use crate::service::Rules;
use crate::store::{Entry, Journal, Store, StoreError};

/// Gives every entry back to the store at once; or, where it is to lose an answer, fails, and gives
/// the entries back with the next ones only.
#[derive(Default)]
struct Loop {
    services: Arc<OnceLock<Weak<Services>>>,
    next: AtomicI64,
    loses_answer: Arc<AtomicBool>,
    late: Mutex<Vec<Entry>>,
}

#[async_trait]
impl Journal for Loop {
    async fn append(&self, entries: Vec<Entry>) -> Result<i64, StoreError> {
        let services = self.services.get().and_then(Weak::upgrade).ok_or(StoreError::Closed)?;
        if self.loses_answer.swap(false, Ordering::Relaxed) {
            self.late.lock().expect("whole").extend(entries);
            return Err(StoreError::Write("the connection broke".to_owned()));
        }
        let late = std::mem::take(&mut *self.late.lock().expect("whole"));
        let mut last = -1;
        for (key, value) in late.into_iter().chain(entries) {
            last = self.next.fetch_add(1, Ordering::Relaxed);
            services.store.apply(last, Some(&key), value.as_deref());
        }
        Ok(last)
    }
}

struct Server {
    url: String,
    http: reqwest::Client,
    /// Makes the journal lose its next answer.
    loses_answer: Arc<AtomicBool>,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Server {
    async fn start() -> Self {
        let journal = Loop::default();
        let back = Arc::clone(&journal.services);
        let loses_answer = Arc::clone(&journal.loses_answer);
        let rules =
            Rules { default_level: Level::Backward, mode_mutability: true, search_limit: 1000 };
        let services =
            Arc::new(Services { store: Store::new(Box::new(journal)), rules, admin: None });
        back.set(Arc::downgrade(&services)).expect("set once");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("bound"));
        let stop = CancellationToken::new();
        let serving = serve(listener, services, stop.clone());
        let task = tokio::spawn(async move { serving.await.expect("served") });
        Self { url, http: reqwest::Client::new(), loses_answer, stop, task }
    }

    /// Status and body of one request.
    async fn call(&self, method: &str, path: &str, body: Option<Json>) -> (u16, Json) {
        let method = method.parse().expect("a method");
        let mut request = self.http.request(method, format!("{}{path}", self.url));
        if let Some(body) = body {
            request = request.body(body.to_string());
        }
        let answer = request.send().await.expect("an answer");
        let status = answer.status().as_u16();
        let text = answer.text().await.expect("a body");
        (status, serde_json::from_str(&text).unwrap_or(Json::String(text)))
    }

    async fn get(&self, path: &str) -> (u16, Json) {
        self.call("GET", path, None).await
    }

    async fn stop(self) {
        self.stop.cancel();
        self.task.await.expect("stopped");
    }
}
