//! What of a request another service is asked about.

use std::sync::Arc;

use actix_web::http::header::{COOKIE, HeaderMap, HeaderValue};

use super::cookie;
use crate::http::problem::Problem;
use crate::identity::forward_auth::{ForwardAuth, Question};

/// Whom to ask, and what is sent on.
#[derive(Debug)]
pub struct Forwarded {
    /// Who is asked.
    pub service: Arc<ForwardAuth>,
    /// Fields that are sent on, in small letters.
    pub headers: Vec<String>,
    /// Cookies that are.
    pub cookies: Vec<String>,
}

impl Forwarded {
    /// Whether it is asked about bearer tokens.
    pub(super) fn knows_tokens(&self) -> bool {
        self.headers.iter().any(|name| name == "authorization")
    }

    /// About a request that brings a token: its cookies are none of this, they don't count beside it.
    pub(super) fn about_token(&self, fields: &HeaderMap) -> Question {
        let mut question = Question::default();
        for name in &self.headers {
            for value in fields.get_all(name.as_str()).map(HeaderValue::as_bytes) {
                question.add(name, value);
            }
        }
        question
    }

    /// About a request that has any of the cookies.
    pub(super) fn about_cookies(&self, fields: &HeaderMap) -> Result<Option<Question>, Problem> {
        let mut sent = String::new();
        for name in &self.cookies {
            if let Some(value) = cookie(fields, name)? {
                sent.push_str(if sent.is_empty() { "" } else { "; " });
                sent.push_str(&format!("{name}={value}"));
            }
        }
        if sent.is_empty() {
            return Ok(None);
        }
        let mut question = self.about_token(fields);
        question.add(COOKIE.as_str(), sent.as_bytes());
        Ok(Some(question))
    }
}
