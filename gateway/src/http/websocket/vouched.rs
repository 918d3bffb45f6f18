//! What the service that has proven who is connected says anew, on its way to the connection.

use std::sync::Arc;
use std::task::Context;

use events_gateway_identity::Identity;
use futures_util::task::AtomicWaker;
use parking_lot::Mutex;

use crate::identity::forward_auth::{self, Session};
use crate::replica::connections::Close;

/// A connection about whose holder the service is asked again; its subscriptions come and go, so it judges by itself.
pub(super) struct Vouched {
    news: Arc<News>,
    _asked: forward_auth::Vouched,
}

#[derive(Default)]
struct News {
    who: Mutex<Option<Arc<Identity>>>,
    waker: AtomicWaker,
}

impl Vouched {
    pub(super) fn new(session: Session, who: &Identity, close: Close) -> Self {
        let news = Arc::new(News::default());
        let told = news.clone();
        let judge = move |who: &Arc<Identity>| {
            *told.who.lock() = Some(who.clone());
            told.waker.wake();
            true
        };
        Self { news, _asked: session.hold(who, close, Box::new(judge)) }
    }

    /// Who it is by now, if that was told since; else it wakes when it is.
    pub(super) fn poll(&self, cx: &Context<'_>) -> Option<Arc<Identity>> {
        self.news.waker.register(cx.waker());
        self.news.who.lock().take()
    }
}
