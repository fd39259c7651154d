//! A client as a [`stateright::actor::Actor`]: opens a session, numbers what its user says, and
//! asks again until it is acknowledged.
//!
//! **Invariants**
//! - *A number names one body for ever*: a request that is sent again is sent unchanged.
//! - *At most a window of requests is unacknowledged*, and all numbers below the first of them are
//!   acknowledged.
//! - *An expired session is the end*: what was unacknowledged is reported as unknown, and never
//!   sent again.
//!
//! **Absent**: reading the log (see [`crate::reader`]).
//!
//! **Source**: Ongaro's thesis (2014), sections 6.2 and 6.3.

use crate::effects::{Effects, Timer};
use crate::message::Message;
use crate::shell::emit;
use crate::types::{
    Body, Command, NodeId, Nonce, Operation, Seq, SessionId, Slot, Timestamp, User,
};
use stateright::actor::{Actor, Id, Out};
use std::borrow::Cow;
use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;
use std::time::Duration;

/// A client of the replicated chat.
#[derive(Clone, Debug)]
pub struct Client {
    /// Whose client it is.
    pub user: User,
    /// Names the session to be opened; new for every session.
    pub nonce: Nonce,
    /// A session that is open already, in place of opening one.
    pub session: Option<SessionId>,
    /// What to say from the first `Retry` time-out on, before anything submitted later.
    pub script: Vec<Body>,
    /// The replicas to ask, in the order in which they are tried.
    pub replicas: Vec<NodeId>,
    /// Parameters.
    pub tuning: ClientTuning,
}

/// Parameters of a client or reader.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientTuning {
    /// Requests that may be unacknowledged at once.
    pub window: usize,
    /// The shortest time before an unanswered request is sent again; the longest is twice that.
    pub retry_interval: Duration,
    /// How often that time may double while nothing is answered.
    pub backoff_doublings_max: u8,
    /// The time before a redirected request is sent to the other replica.
    pub redirect_delay: Duration,
    /// How long a client waits for each value that a busy leader has queued, when it is first told.
    /// About what a commit takes on a slow disk: whoever asks too early is told again, and waits twice
    /// as long.
    pub commit_time: Duration,
}

impl Default for ClientTuning {
    fn default() -> Self {
        ClientTuning {
            window: 16,
            retry_interval: Duration::from_millis(100),
            backoff_doublings_max: 4,
            redirect_delay: Duration::from_millis(5),
            commit_time: Duration::from_millis(5),
        }
    }
}

/// Everything that a client knows.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientState {
    /// Where its session stands.
    pub phase: ClientPhase,
    /// What the user said and is not numbered yet. Whoever submits bounds it.
    pub waiting: VecDeque<Body>,
    /// The number of the next request.
    pub next_seq: Seq,
    /// Numbered and not acknowledged, with the bound first sent along.
    pub unacknowledged: BTreeMap<Seq, Pending>,
    /// Index of the replica asked now.
    pub target: usize,
    /// The replica asked now has answered, or was named as the leader, since the last time-out: it
    /// is asked once more before another is. Kept only if there are others.
    pub hopeful: bool,
    /// The replica asked now has said since the last time-out that it is busy: it leads, and is asked
    /// again. Kept only if times may double.
    pub busy: bool,
    /// Doublings of the retry time since the last answer but `Busy`.
    pub backoff: u8,
}

/// Where a client's session stands.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ClientPhase {
    /// No answer to the opening yet.
    Opening,
    /// Open.
    Open(SessionId),
    /// Evicted by the replicas.
    Expired,
}

/// A request that is not acknowledged.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pending {
    /// Everything below this number was acknowledged when the request was first sent.
    pub acked_below: Seq,
    /// What is asked.
    pub body: Body,
}

impl ClientState {
    /// Is there nothing left to say or to wait for?
    pub fn is_idle(&self) -> bool {
        self.waiting.is_empty() && self.unacknowledged.is_empty()
    }

    /// Has something been asked that may still be answered?
    fn is_unanswered(&self) -> bool {
        match self.phase {
            ClientPhase::Opening => true,
            ClientPhase::Open(_) => !self.unacknowledged.is_empty(),
            ClientPhase::Expired => false,
        }
    }
}

impl Client {
    fn target(&self, state: &ClientState) -> NodeId {
        self.replicas[state.target]
    }

    fn retry_delay(&self, state: &ClientState) -> Range<Duration> {
        let delay = self.tuning.retry_interval * (1 << state.backoff);
        delay..delay * 2
    }

    /// In proportion to what is queued and doubled like the retry time, but no longer than that gets.
    fn busy_delay(&self, state: &ClientState, queued: u32) -> Range<Duration> {
        let longest = self.tuning.retry_interval * (1 << self.tuning.backoff_doublings_max);
        let wanted = self.tuning.commit_time.saturating_mul(queued.max(1));
        let delay = wanted.saturating_mul(1 << state.backoff).min(longest);
        delay..delay * 2
    }

    fn opening(&self) -> Message {
        let operation = Operation::OpenSession { nonce: self.nonce };
        Message::Request(Command { stamp: Timestamp(0), user: self.user.clone(), operation })
    }

    fn request(&self, session: SessionId, seq: Seq, pending: &Pending) -> Message {
        let Pending { acked_below, body } = pending.clone();
        let operation = Operation::InSession { session, seq, acked_below, body };
        Message::Request(Command { stamp: Timestamp(0), user: self.user.clone(), operation })
    }

    /// Numbers and sends what the window has room for.
    fn send_waiting(&self, state: &mut Cow<'_, ClientState>, effects: &mut Effects) {
        let ClientPhase::Open(session) = state.phase else { return };
        while state.unacknowledged.len() < self.tuning.window && !state.waiting.is_empty() {
            let seq = state.next_seq;
            let acked_below = state.unacknowledged.keys().next().copied().unwrap_or(seq);
            let state = state.to_mut();
            let Some(body) = state.waiting.pop_front() else { return };
            let pending = Pending { acked_below, body };
            effects.send(self.target(state), self.request(session, seq, &pending));
            state.unacknowledged.insert(seq, pending);
            state.next_seq = seq.next();
        }
    }

    /// Sends everything unanswered again.
    fn send_again(&self, state: &ClientState, effects: &mut Effects) {
        match &state.phase {
            ClientPhase::Opening => effects.send(self.target(state), self.opening()),
            ClientPhase::Open(session) => {
                for (seq, pending) in &state.unacknowledged {
                    effects.send(self.target(state), self.request(*session, *seq, pending));
                }
            }
            ClientPhase::Expired => {}
        }
    }

    fn on_retry_timeout(&self, state: &mut Cow<'_, ClientState>, effects: &mut Effects) {
        if state.is_unanswered() {
            if state.busy {
                state.to_mut().busy = false;
            } else if state.hopeful {
                state.to_mut().hopeful = false;
            } else {
                self.give_up_on_target(state);
            }
            self.send_again(state, effects);
        }
        self.send_waiting(state, effects);
        self.set_retry_timer(state, effects);
    }

    /// Turns to the next replica, and waits longer than before.
    fn give_up_on_target(&self, state: &mut Cow<'_, ClientState>) {
        let target = (state.target + 1) % self.replicas.len();
        if state.target != target {
            state.to_mut().target = target;
        }
        self.back_off(state);
    }

    fn back_off(&self, state: &mut Cow<'_, ClientState>) {
        let backoff = (state.backoff + 1).min(self.tuning.backoff_doublings_max);
        if state.backoff != backoff {
            state.to_mut().backoff = backoff;
        }
    }

    /// The target has answered, or was named as the leader.
    fn hope(&self, state: &mut ClientState) {
        state.hopeful = self.replicas.len() > 1;
        state.busy = false;
        state.backoff = 0;
    }

    /// The `Retry` timer is set exactly while something is unanswered or unsaid.
    fn set_retry_timer(&self, state: &ClientState, effects: &mut Effects) {
        let needed = match state.phase {
            ClientPhase::Opening => true,
            ClientPhase::Open(_) => !state.is_idle(),
            ClientPhase::Expired => false,
        };
        if needed {
            effects.set_timer(Timer::Retry, self.retry_delay(state));
        } else {
            effects.cancel_timer(Timer::Retry);
        }
    }

    fn on_submit(&self, state: &mut Cow<'_, ClientState>, body: Body, effects: &mut Effects) {
        let was_idle = state.is_idle();
        state.to_mut().waiting.push_back(body);
        self.send_waiting(state, effects);
        if was_idle && state.phase != ClientPhase::Opening {
            self.set_retry_timer(state, effects);
        }
    }

    fn on_session_opened(
        &self,
        state: &mut Cow<'_, ClientState>,
        nonce: Nonce,
        session: SessionId,
        effects: &mut Effects,
    ) {
        if state.phase != ClientPhase::Opening || nonce != self.nonce {
            return;
        }
        state.to_mut().phase = ClientPhase::Open(session);
        self.hope(state.to_mut());
        effects.report(Message::Opened { session });
        self.send_waiting(state, effects);
        self.set_retry_timer(state, effects);
    }

    fn on_acknowledged(
        &self,
        state: &mut Cow<'_, ClientState>,
        session: SessionId,
        seq: Seq,
        slot: Slot,
        effects: &mut Effects,
    ) {
        let ours = state.phase == ClientPhase::Open(session);
        if !ours || !state.unacknowledged.contains_key(&seq) {
            return;
        }
        state.to_mut().unacknowledged.remove(&seq);
        self.hope(state.to_mut());
        effects.report(Message::Confirmed { seq, slot });
        self.send_waiting(state, effects);
        self.set_retry_timer(state, effects);
    }

    fn on_redirect(&self, state: &mut Cow<'_, ClientState>, leader: NodeId, fx: &mut Effects) {
        let Some(target) = self.replicas.iter().position(|r| *r == leader) else { return };
        if target == state.target || !state.is_unanswered() {
            return;
        }
        let state = state.to_mut();
        state.target = target;
        self.hope(state);
        let delay = self.tuning.redirect_delay;
        fx.set_timer(Timer::Retry, delay..delay * 2);
    }

    /// Waits longer, and longer each time; once for all requests that are refused at a time.
    fn on_busy(&self, state: &mut Cow<'_, ClientState>, queued: u32, effects: &mut Effects) {
        if !state.is_unanswered() || state.busy {
            return;
        }
        effects.set_timer(Timer::Retry, self.busy_delay(state, queued));
        if self.tuning.backoff_doublings_max > 0 {
            state.to_mut().busy = true;
            self.back_off(state);
        }
    }

    fn on_session_expired(
        &self,
        state: &mut Cow<'_, ClientState>,
        session: SessionId,
        effects: &mut Effects,
    ) {
        if state.phase != ClientPhase::Open(session) {
            return;
        }
        let state = state.to_mut();
        state.phase = ClientPhase::Expired;
        let count = state.unacknowledged.len() as u64;
        let first = state.unacknowledged.keys().next().copied().unwrap_or(state.next_seq);
        state.unacknowledged.clear();
        effects.cancel_timer(Timer::Retry);
        effects.report(Message::OutcomeUnknown { first, count });
    }
}

impl Actor for Client {
    type Msg = Message;
    type Timer = Timer;
    type State = ClientState;
    type Storage = ();
    type Random = ();

    fn on_start(&self, _id: Id, _storage: &Option<()>, out: &mut Out<Self>) -> ClientState {
        assert!(!self.replicas.is_empty(), "a client needs a replica to ask");
        let state = ClientState {
            phase: self.session.map_or(ClientPhase::Opening, ClientPhase::Open),
            waiting: self.script.iter().cloned().collect(),
            next_seq: Seq::FIRST,
            unacknowledged: BTreeMap::new(),
            target: 0,
            // The first replica is asked before any other.
            hopeful: self.replicas.len() > 1,
            busy: false,
            backoff: 0,
        };
        let mut effects = Effects::default();
        if state.phase == ClientPhase::Opening || !state.is_idle() {
            effects.set_timer(Timer::Retry, Duration::ZERO..self.tuning.redirect_delay);
        }
        emit(effects, || (), out);
        state
    }

    fn on_msg(
        &self,
        _id: Id,
        state: &mut Cow<'_, ClientState>,
        src: Id,
        msg: Message,
        out: &mut Out<Self>,
    ) {
        let src = NodeId(usize::from(src) as u64);
        let mut effects = Effects::default();
        let fx = &mut effects;
        match msg {
            Message::Submit(body) if src == NodeId::LOCAL => self.on_submit(state, body, fx),
            Message::SessionOpened { nonce, session } => {
                self.on_session_opened(state, nonce, session, fx);
            }
            Message::Acknowledged { session, seq, slot } => {
                self.on_acknowledged(state, session, seq, slot, fx);
            }
            Message::Redirect { leader } => self.on_redirect(state, leader.into(), fx),
            Message::SessionExpired { session } => self.on_session_expired(state, session, fx),
            Message::Busy { queued } => self.on_busy(state, queued, fx),
            // Not a replica's to send to a client.
            _ => {}
        }
        emit(effects, || (), out);
    }

    fn on_timeout(
        &self,
        _id: Id,
        state: &mut Cow<'_, ClientState>,
        timer: &Timer,
        out: &mut Out<Self>,
    ) {
        let mut effects = Effects::default();
        if *timer == Timer::Retry {
            self.on_retry_timeout(state, &mut effects);
        }
        emit(effects, || (), out);
    }

    fn name(&self) -> String {
        format!("client {}", self.user)
    }
}

#[cfg(test)]
mod tests;
