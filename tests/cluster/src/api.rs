//! A client that shows what the API server answered: status, body, and warnings, which client libraries pass over.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use events_gateway_harness::wait;
use http::{Method, Request};
use kube::client::Body;
use kube::config::KubeConfigOptions;
use kube::{Client, Config};
use serde_json::Value;

use crate::control_plane::read_kubeconfig;

/// Who writes fields, in server-side apply, where a test doesn't say.
const MANAGER: &str = "suite";

/// A client of one API server.
#[derive(Clone)]
pub struct Api {
    path: PathBuf,
    kubeconfig: Arc<kube::config::Kubeconfig>,
}

/// An answer.
#[derive(Debug, Clone)]
pub struct Answer {
    /// HTTP's status.
    pub status: u16,
    /// The texts of `Warning` headers (RFC 9111 had them; Kubernetes still does).
    pub warnings: Vec<String>,
    /// The object, or what the server says of it.
    pub body: Value,
}

impl Answer {
    /// The answer, if it is one of success.
    ///
    /// # Errors
    /// With what the server said.
    pub fn success(self) -> Result<Self> {
        ensure!((200..300).contains(&self.status), "{}: {}", self.status, self.message());
        Ok(self)
    }

    /// What the server says of a refusal.
    #[must_use]
    pub fn message(&self) -> &str {
        self.body["message"].as_str().or(self.body.as_str()).unwrap_or_default()
    }
}

impl Api {
    /// A client by a kubeconfig.
    ///
    /// # Errors
    /// When it can't be read.
    pub fn connect(kubeconfig: &Path) -> Result<Self> {
        // An error says that there is a provider already: the same one.
        let _ = rustls::crypto::ring::default_provider().install_default();
        Ok(Self { path: kubeconfig.to_path_buf(), kubeconfig: Arc::new(read_kubeconfig(kubeconfig)?) })
    }

    /// The kubeconfig that it was made of.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads what is at a path.
    ///
    /// # Errors
    /// When the server can't be asked.
    pub async fn get(&self, path: &str) -> Result<Answer> {
        self.call(Method::GET, path, "application/json", None).await
    }

    /// Creates an object in the collection at a path.
    ///
    /// # Errors
    /// When the server can't be asked.
    pub async fn create(&self, path: &str, object: &Value) -> Result<Answer> {
        self.call(Method::POST, path, "application/json", Some(object)).await
    }

    /// Replaces the object at a path.
    ///
    /// # Errors
    /// When the server can't be asked.
    pub async fn replace(&self, path: &str, object: &Value) -> Result<Answer> {
        self.call(Method::PUT, path, "application/json", Some(object)).await
    }

    /// Merges into the object at a path (RFC 7396).
    ///
    /// # Errors
    /// When the server can't be asked.
    pub async fn merge(&self, path: &str, patch: &Value) -> Result<Answer> {
        self.call(Method::PATCH, path, "application/merge-patch+json", Some(patch)).await
    }

    /// Applies the object at a path on the server, as the suite.
    ///
    /// # Errors
    /// When the server can't be asked.
    pub async fn apply(&self, path: &str, object: &Value) -> Result<Answer> {
        let path = format!("{path}?fieldManager={MANAGER}");
        self.call(Method::PATCH, &path, "application/apply-patch+yaml", Some(object)).await
    }

    /// Deletes the object at a path; what it owns goes after it.
    ///
    /// # Errors
    /// When the server can't be asked.
    pub async fn delete(&self, path: &str) -> Result<Answer> {
        self.call(Method::DELETE, path, "application/json", None).await
    }

    /// Waits until the object at a path is as it should be, and gives it; null is one that isn't there.
    ///
    /// # Errors
    /// When it isn't in time, with how it is then; when the server can't be asked.
    pub async fn until(&self, path: &str, what: &str, bound: Duration, held: impl Fn(&Value) -> bool) -> Result<Value> {
        let last = Mutex::new(Value::Null);
        let found = wait::until(what, bound, || async {
            let answer = self.get(path).await?;
            let object = if answer.status == 404 { Value::Null } else { answer.success()?.body };
            let is_held = held(&object);
            last.lock().unwrap_or_else(PoisonError::into_inner).clone_from(&object);
            Ok(is_held.then_some(object))
        });
        found.await.with_context(|| {
            let mut last = last.lock().unwrap_or_else(PoisonError::into_inner).clone();
            last["metadata"] = Value::Null;
            format!("{path}: {last:#}")
        })
    }

    async fn call(&self, method: Method, path: &str, content_type: &str, body: Option<&Value>) -> Result<Answer> {
        let bytes = body.map(|body| body.to_string().into_bytes()).unwrap_or_default();
        let request = Request::builder().method(method).uri(path).header("content-type", content_type);
        let request = request.body(Body::from(bytes)).context("failed to make a request")?;
        let response = self.client().await?.send(request).await.context("failed to ask the API server")?;
        let status = response.status().as_u16();
        let warnings = response.headers().get_all("warning").iter();
        let warnings = warnings.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned()).collect();
        let bytes = response.into_body().collect_bytes().await.context("failed to read the answer")?;
        let body = serde_json::from_slice(&bytes)
            .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&bytes).into_owned()));
        Ok(Answer { status, warnings, body })
    }

    /// A client of kube. One for each call: its connections belong to the runtime of one test.
    async fn client(&self) -> Result<Client> {
        let options = KubeConfigOptions::default();
        let config = Config::from_custom_kubeconfig((*self.kubeconfig).clone(), &options).await;
        Client::try_from(config.context("failed to read the kubeconfig")?).context("failed to make a client")
    }
}
