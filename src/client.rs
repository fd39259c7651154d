//! A client as a [`stateright::actor::Actor`]: opens a session, numbers what its user says, and
//! asks again until it is acknowledged.
//!
//! **Invariants**
//! - *A number names one body for ever*: a request that is sent again is sent unchanged.
//! - *At most a window of requests is unacknowledged*, and all numbers below the first of them are
//!   acknowledged.
//! - *An expired session is the end*: what was unacknowledged is reported as unknown, number by number,
//!   and never sent again, after a restart neither.
//! - *A durable client says nothing twice, whenever it crashes*: its nonce, its session, and what was
//!   submitted and is not acknowledged, with its numbers, are saved before anything that depends on
//!   them is sent or reported. After a crash it goes on in the same session, under the same numbers, so the
//!   replicas' session table tells a repetition from something new.
//!
//! **Absent**: reading the log (see [`crate::reader`]).
//!
//! **Source**: Ongaro's thesis (2014), sections 6.2 and 6.3; that a client outlives its process is our
//! own: there, a client that crashes comes back as another one.

use crate::effects::{Durable, Effects, Timer};
use crate::message::{
    Acknowledged, Busy, Input, Message, Output, Redirect, SessionExpired, SessionOpened, ToClient,
    ToReplica,
};
use crate::session::ACKNOWLEDGEMENTS_MAX;
use crate::shell::emit;
use crate::types::{Body, Command, NodeId, Nonce, Operation, Seq, SessionId, Timestamp, User};
use serde::{Deserialize, Serialize};
use stateright::actor::{Actor, Id, Out};
use std::borrow::Cow;
use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;
use std::time::Duration;

/// A client of the replicated chat.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Client {
    /// Whose client it is.
    pub user: User,
    /// The replicas to ask, in the order in which they are tried.
    pub replicas: Vec<NodeId>,
    /// It survives its crashes: it saves what that takes. Otherwise it saves nothing.
    pub is_durable: bool,
    /// Parameters.
    pub tuning: ClientTuning,
    /// What it knows before it has done anything.
    first: ClientStorage,
}

/// Parameters of a client or reader.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientTuning {
    /// Requests that may be unacknowledged at once.
    pub window: usize,
    /// The shortest time before an unanswered request is sent again; the longest is twice that.
    pub retry_interval: Duration,
    /// How often that time may double while nothing is answered. With 0 it is never longer.
    pub backoff_doublings_max: u8,
    /// A replica that is given up on after the retry time has doubled so often is not turned back to.
    pub late_doublings: u8,
    /// So many requests that were sent once are acknowledged before the retry time halves again, and a
    /// leader that did not answer is tried once more.
    pub calm_answers: u8,
    /// How often the retry time stays doubled after another replica has answered in place of a silent
    /// one.
    pub doublings_kept: u8,
    /// Bytes of requests that are sent again at once; the oldest may exceed it alone.
    pub retry_bytes_max: usize,
    /// How many replicas are asked at once while the one asked is silent; at least 1.
    pub ask_at_once: usize,
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
            late_doublings: 3,
            calm_answers: 16,
            doublings_kept: 2,
            retry_bytes_max: 64 * 1024,
            ask_at_once: 4,
            redirect_delay: Duration::from_millis(5),
            commit_time: Duration::from_millis(5),
        }
    }
}

/// What a durable client keeps across its crashes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ClientStorage {
    /// The nonce of its session.
    pub nonce: Nonce,
    /// Where its session stands.
    pub phase: ClientPhase,
    /// What the user said and is not numbered yet; it will be, in this order. Whoever submits bounds
    /// it.
    pub waiting: VecDeque<Body>,
    /// The number of the next request.
    pub next_seq: Seq,
    /// Numbered and not acknowledged, with the bound first sent along. Of an expired session: the
    /// requests whose outcome is unknown.
    pub unacknowledged: BTreeMap<Seq, PendingRequest>,
}

/// Everything that a client knows.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientState {
    /// What survives a crash, if the client is durable.
    pub durable: Durable<ClientStorage>,
    /// Index of the replica asked now.
    pub target: usize,
    /// Index of the replica whose turn it is: the one asked now, unless it has named another.
    pub turn: usize,
    /// Index of a replica that was named as the leader and did not answer. Whoever names it again is
    /// not believed, until its own turn comes or it has answered.
    pub shunned: Option<usize>,
    /// The replica asked now has answered, or was named as the leader, since the last time-out: it
    /// is asked once more before another is. Kept only if there are others.
    pub hopeful: bool,
    /// The replica asked now has said since the last time-out that it is busy: it leads, and is asked
    /// again. Kept only if times may double.
    pub busy: bool,
    /// Doublings of the retry time.
    pub backoff: u8,
    /// Requests below this number were sent again, and not in vain as far as is known. Kept only if times
    /// may double.
    pub repeated_below: Seq,
    /// Of these, those below this number were; the others did not fit. Kept only if times may double.
    pub sent_again_below: Seq,
    /// Acknowledgements of requests that were sent once, counted while the retry time is doubled or
    /// somebody is not believed: so many of [`ClientTuning::calm_answers`] have come. Kept only if times
    /// may double.
    pub calm: u8,
    /// The last number that was acknowledged, and the index of the replica that did. Kept only if times may
    /// double.
    pub answered: Option<(Seq, usize)>,
    /// Index of the first replica that was given up on since the last acknowledgement. Kept only if times
    /// may double.
    pub given_up: Option<usize>,
    /// Since then the turn has come to that one again. Kept only if times may double.
    pub all_silent: bool,
}

/// Where a client's session stands.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum ClientPhase {
    /// No answer to the opening yet.
    Opening,
    /// Open.
    Open(SessionId),
    /// Evicted by the replicas.
    Expired,
}

/// A request that is not acknowledged.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PendingRequest {
    /// Everything below this number was acknowledged when the request was first sent.
    pub acked_below: Seq,
    /// What is asked.
    pub body: Body,
}

impl ClientStorage {
    /// Everything that was submitted and is not acknowledged, with its number, in order.
    pub fn pending(&self) -> impl Iterator<Item = (Seq, &Body)> {
        let numbered = self.unacknowledged.iter().map(|(seq, pending)| (*seq, &pending.body));
        let numbers = (self.next_seq.0..).map(Seq);
        numbered.chain(numbers.zip(&self.waiting))
    }

    /// The number of whatever is submitted next.
    pub fn next_submitted(&self) -> Seq {
        Seq(self.next_seq.0.saturating_add(self.waiting.len() as u64))
    }
}

impl ClientState {
    /// Is there nothing left to say or to wait for?
    pub fn is_idle(&self) -> bool {
        self.durable.waiting.is_empty() && !self.is_waited_for()
    }

    /// Is there a request that will be sent until it is acknowledged?
    fn is_waited_for(&self) -> bool {
        self.durable.phase != ClientPhase::Expired && !self.durable.unacknowledged.is_empty()
    }

    /// Has something been asked that may still be answered?
    fn is_unanswered(&self) -> bool {
        self.durable.phase == ClientPhase::Opening || self.is_waited_for()
    }
}

impl Client {
    /// A client that saves nothing, and opens a session of this nonce, which is new for every session. A session
    /// that was saved has its own.
    pub fn new(user: User, nonce: Nonce, replicas: Vec<NodeId>, tuning: ClientTuning) -> Client {
        let first = ClientStorage {
            nonce,
            phase: ClientPhase::Opening,
            waiting: VecDeque::new(),
            next_seq: Seq::FIRST,
            unacknowledged: BTreeMap::new(),
        };
        Client { user, replicas, is_durable: false, tuning, first }
    }

    /// In a session that is open already, in place of opening one.
    pub fn in_session(mut self, session: SessionId) -> Client {
        self.first.phase = ClientPhase::Open(session);
        self
    }

    /// With something to say from the first `Retry` time-out on, before anything submitted later; in its first life
    /// only.
    pub fn saying(mut self, script: impl IntoIterator<Item = Body>) -> Client {
        self.first.waiting = script.into_iter().collect();
        self
    }

    /// The nonce of the first session that it opens.
    pub fn nonce(&self) -> Nonce {
        self.first.nonce
    }

    /// May times double?
    fn adapts(&self) -> bool {
        self.tuning.backoff_doublings_max > 0
    }

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

    /// Write access to what a durable client keeps, at the price of a save.
    fn write<'a>(
        &self,
        state: &'a mut Cow<'_, ClientState>,
        effects: &mut Effects,
    ) -> &'a mut ClientStorage {
        let saves = effects.save || self.is_durable;
        let storage = state.to_mut().durable.write(effects);
        effects.save = saves;
        storage
    }

    /// What it goes on with after its session has expired: another session, and nothing to say.
    fn new_session(&self) -> ClientStorage {
        let (phase, waiting) = (ClientPhase::Opening, VecDeque::new());
        ClientStorage { phase, waiting, ..self.first.clone() }
    }

    fn opening(&self, nonce: Nonce) -> Command {
        let operation = Operation::OpenSession { nonce };
        Command { stamp: Timestamp(0), user: self.user.clone(), operation }
    }

    fn request(&self, session: SessionId, seq: Seq, pending: &PendingRequest) -> Command {
        let PendingRequest { acked_below, body } = pending.clone();
        let operation = Operation::InSession { session, seq, acked_below, body };
        Command { stamp: Timestamp(0), user: self.user.clone(), operation }
    }

    /// Numbers and sends what the window has room for.
    fn send_waiting(&self, state: &mut Cow<'_, ClientState>, effects: &mut Effects) {
        let ClientPhase::Open(session) = state.durable.phase else { return };
        let target = self.target(state);
        // A session answers again for its latest numbers only, so the oldest one that is unacknowledged
        // must stay among them, however many later ones are acknowledged.
        let has_room = |known: &ClientStorage| {
            let oldest = known.unacknowledged.keys().next().copied().unwrap_or(known.next_seq);
            let span = known.next_seq.0 - oldest.0;
            known.unacknowledged.len() < self.tuning.window && span < ACKNOWLEDGEMENTS_MAX as u64
        };
        while has_room(&state.durable) && !state.durable.waiting.is_empty() {
            let storage = self.write(state, effects);
            let seq = storage.next_seq;
            let acked_below = storage.unacknowledged.keys().next().copied().unwrap_or(seq);
            let Some(body) = storage.waiting.pop_front() else { return };
            let pending = PendingRequest { acked_below, body };
            effects.send(target, ToReplica::Request(self.request(session, seq, &pending)));
            storage.unacknowledged.insert(seq, pending);
            storage.next_seq = seq.next();
        }
    }

    /// Sends what is unanswered again, the oldest first and as much as may be sent at once; the number below
    /// which it was.
    fn send_again(&self, state: &ClientState, effects: &mut Effects) -> Seq {
        let session = match &state.durable.phase {
            ClientPhase::Opening => {
                effects.send(
                    self.target(state),
                    ToReplica::Request(self.opening(state.durable.nonce)),
                );
                return Seq(0);
            }
            ClientPhase::Open(session) => *session,
            ClientPhase::Expired => return Seq(0),
        };
        let (mut bytes, mut below) = (0, Seq(0));
        for (seq, pending) in &state.durable.unacknowledged {
            let request = self.request(session, *seq, pending);
            bytes += request.size_bytes();
            if bytes > self.tuning.retry_bytes_max && below > Seq(0) {
                break;
            }
            effects.send(self.target(state), ToReplica::Request(request));
            below = seq.next();
        }
        below
    }

    /// What was sent again has been acknowledged, so there is room for the next one that did not fit then
    /// (as RFC 6582, section 3.2, on a partial acknowledgement).
    fn send_next_again(
        &self,
        state: &mut Cow<'_, ClientState>,
        acknowledged: Seq,
        effects: &mut Effects,
    ) {
        let ClientPhase::Open(session) = state.durable.phase else { return };
        let (from, below) = (state.sent_again_below, state.repeated_below);
        if acknowledged >= below || from >= below {
            return;
        }
        if let Some((seq, pending)) = state.durable.unacknowledged.range(from..below).next() {
            let next = seq.next();
            effects
                .send(self.target(state), ToReplica::Request(self.request(session, *seq, pending)));
            state.to_mut().sent_again_below = next;
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
                self.ask_others(state, effects);
            }
            let below = self.send_again(state, effects);
            if self.adapts() {
                let state = state.to_mut();
                (state.repeated_below, state.sent_again_below) = (state.durable.next_seq, below);
            }
        }
        self.send_waiting(state, effects);
        self.set_retry_timer(state, effects);
    }

    /// Turns to the next replica, or back to the one that has named this one, and waits longer than
    /// before. Only this moves the turn, so every replica has its own, whomever others name.
    fn give_up_on_target(&self, state: &mut Cow<'_, ClientState>) {
        if self.adapts() && state.given_up.is_none() {
            state.to_mut().given_up = Some(state.target);
        }
        if state.target != state.turn {
            let state = state.to_mut();
            state.shunned = Some(state.target);
            state.target = state.turn;
        } else if self.replicas.len() > 1 {
            let state = state.to_mut();
            state.turn = (state.turn + 1) % self.replicas.len();
            state.target = state.turn;
            state.shunned = state.shunned.filter(|shunned| *shunned != state.turn);
            state.all_silent |= state.given_up == Some(state.turn);
        }
        self.back_off(state);
    }

    /// Asks replicas far from one another in the circle what has waited longest: one of them may serve,
    /// or know who does.
    fn ask_others(&self, state: &ClientState, effects: &mut Effects) {
        let count = self.tuning.ask_at_once.min(self.replicas.len());
        for place in 1..count {
            let index = (state.turn + place * self.replicas.len() / count) % self.replicas.len();
            let other = self.replicas[index];
            let oldest = state.durable.unacknowledged.iter().next();
            match (&state.durable.phase, oldest) {
                (ClientPhase::Opening, _) => {
                    effects.send(other, ToReplica::Request(self.opening(state.durable.nonce)));
                }
                (ClientPhase::Open(session), Some((seq, pending))) => {
                    effects.send(other, ToReplica::Request(self.request(*session, *seq, pending)));
                }
                _ => {}
            }
        }
    }

    /// Whoever answers while the replica asked now does not is asked from now on. One that was given
    /// up on is slow; but if that goes on, it only answers what others bring about.
    fn turn_to(&self, state: &mut ClientState, src: NodeId) {
        let found = self.replicas.iter().position(|replica| *replica == src);
        if let (Some(index), false) = (found, state.hopeful)
            && (state.given_up != found || state.backoff < self.tuning.late_doublings)
        {
            (state.target, state.turn) = (index, index);
            state.shunned = state.shunned.filter(|shunned| *shunned != index);
        }
        if found.is_some_and(|index| index != state.target) {
            state.busy = false;
        } else {
            self.hope(state);
        }
    }

    fn back_off(&self, state: &mut Cow<'_, ClientState>) {
        let backoff = (state.backoff + 1).min(self.tuning.backoff_doublings_max);
        if state.backoff != backoff {
            state.to_mut().backoff = backoff;
        }
    }

    /// A request was acknowledged: waits less long from now on, but for that of one that was sent again it
    /// is not known which sending was answered.
    fn calm_down(&self, state: &mut ClientState, src: NodeId, seq: Seq) {
        let given_up = state.given_up.take().map(|index| self.replicas[index]);
        if std::mem::take(&mut state.all_silent) {
            // Nobody led: none of them is known to be slow.
            state.backoff = state.backoff.min(self.tuning.doublings_kept);
        }
        let waits_longer = state.backoff > 0 || state.shunned.is_some();
        if self.adapts() && waits_longer && seq >= state.repeated_below {
            state.calm = (state.calm + 1) % self.tuning.calm_answers;
            if state.calm == 0 {
                state.backoff = state.backoff.saturating_sub(1);
            }
        } else if given_up.is_some_and(|silent| silent != src) {
            // It was dead or cut off; how long the one takes that has answered is not known. If it is the
            // same, it is slow.
            state.backoff = state.backoff.min(self.tuning.doublings_kept);
        }
    }

    /// The target has answered, or was named as the leader.
    fn hope(&self, state: &mut ClientState) {
        state.hopeful = self.replicas.len() > 1;
        state.busy = false;
    }

    /// The `Retry` timer is set exactly while something is unanswered or unsaid.
    fn set_retry_timer(&self, state: &ClientState, effects: &mut Effects) {
        let needed = match state.durable.phase {
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
        self.write(state, effects).waiting.push_back(body);
        self.send_waiting(state, effects);
        if was_idle && state.durable.phase != ClientPhase::Opening {
            self.set_retry_timer(state, effects);
        }
    }

    fn on_answer(
        &self,
        state: &mut Cow<'_, ClientState>,
        src: NodeId,
        answer: ToClient,
        fx: &mut Effects,
    ) {
        match answer {
            ToClient::SessionOpened(opened) => self.on_session_opened(state, src, opened, fx),
            ToClient::Acknowledged(acknowledged) => {
                self.on_acknowledged(state, src, acknowledged, fx);
            }
            ToClient::Redirect(Redirect { leader }) => self.on_redirect(state, leader.into(), fx),
            ToClient::SessionExpired(SessionExpired { session }) => {
                self.on_session_expired(state, session, fx);
            }
            ToClient::Busy(Busy { queued }) => self.on_busy(state, queued, fx),
            // A reader's.
            ToClient::Entries(_) | ToClient::ReadBound(_) => {}
        }
    }

    fn on_session_opened(
        &self,
        state: &mut Cow<'_, ClientState>,
        src: NodeId,
        SessionOpened { nonce, session }: SessionOpened,
        effects: &mut Effects,
    ) {
        if state.durable.phase != ClientPhase::Opening || nonce != state.durable.nonce {
            return;
        }
        self.write(state, effects).phase = ClientPhase::Open(session);
        self.turn_to(state.to_mut(), src);
        (state.to_mut().given_up, state.to_mut().all_silent) = (None, false);
        effects.report(Output::Opened { session });
        self.send_waiting(state, effects);
        self.set_retry_timer(state, effects);
    }

    fn on_acknowledged(
        &self,
        state: &mut Cow<'_, ClientState>,
        src: NodeId,
        Acknowledged { session, seq, slot }: Acknowledged,
        effects: &mut Effects,
    ) {
        let ours = state.durable.phase == ClientPhase::Open(session);
        if !ours {
            return;
        }
        if self.adapts() && state.shunned.is_some_and(|index| self.replicas[index] == src) {
            state.to_mut().shunned = None;
        }
        if !state.durable.unacknowledged.contains_key(&seq) {
            return self.on_acknowledged_again(state, src, seq);
        }
        let oldest = state.durable.unacknowledged.keys().next() == Some(&seq);
        self.write(state, effects).unacknowledged.remove(&seq);
        if state.busy {
            // It was told to wait, and need not any more.
            state.to_mut().backoff = 0;
        }
        self.turn_to(state.to_mut(), src);
        if self.adapts() {
            let by = self.replicas.iter().position(|replica| *replica == src);
            state.to_mut().answered = by.map(|by| (seq, by));
        }
        self.calm_down(state.to_mut(), src, seq);
        effects.report(Output::Confirmed { seq, slot });
        self.send_waiting(state, effects);
        // What has waited longest decides when to ask again, however much is acknowledged meanwhile.
        if oldest {
            self.send_next_again(state, seq, effects);
            self.set_retry_timer(state, effects);
        }
    }

    /// Somebody answers what was answered already. If it is the replica asked now, and it was not another that
    /// has answered just this, a second sending was in vain: waits longer, once for all that were sent again at a time (after RFC 3522,
    /// section 3, in which this is known from time stamps). If it is another, and the one asked now is silent,
    /// it is asked from now on.
    fn on_acknowledged_again(&self, state: &mut Cow<'_, ClientState>, src: NodeId, seq: Seq) {
        if !self.adapts() {
            return;
        }
        let is_by_another = |(of, by): (Seq, usize)| of == seq && self.replicas[by] != src;
        if src != self.target(state) {
            if !state.hopeful && self.replicas.contains(&src) {
                self.turn_to(state.to_mut(), src);
            }
        } else if state.answered.is_some_and(is_by_another) {
            self.hope(state.to_mut());
        } else if seq < state.repeated_below {
            state.to_mut().repeated_below = Seq(0);
            self.back_off(state);
        }
    }

    fn on_redirect(&self, state: &mut Cow<'_, ClientState>, leader: NodeId, fx: &mut Effects) {
        let Some(target) = self.replicas.iter().position(|r| *r == leader) else { return };
        let is_news = target != state.target || !state.hopeful;
        if !is_news || !state.is_unanswered() {
            return;
        }
        if state.shunned == Some(target) {
            return self.try_shunned(state, leader, fx);
        }
        let state = state.to_mut();
        state.target = target;
        self.hope(state);
        let delay = self.tuning.redirect_delay;
        fx.set_timer(Timer::Retry, delay..delay * 2);
    }

    /// Whoever was named as the leader and did not answer is asked beside the replica that is asked now, now
    /// and then while all is calm: if it answers, it is believed to lead again.
    fn try_shunned(&self, state: &ClientState, leader: NodeId, effects: &mut Effects) {
        let ClientPhase::Open(session) = state.durable.phase else { return };
        if let Some((seq, pending)) = state.durable.unacknowledged.iter().next()
            && self.adapts()
            && state.calm == 0
        {
            effects.send(leader, ToReplica::Request(self.request(session, *seq, pending)));
        }
    }

    /// Waits longer, and longer each time; once for all requests that are refused at a time.
    fn on_busy(&self, state: &mut Cow<'_, ClientState>, queued: u32, effects: &mut Effects) {
        if !state.is_unanswered() || state.busy {
            return;
        }
        effects.set_timer(Timer::Retry, self.busy_delay(state, queued));
        if self.adapts() {
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
        if state.durable.phase != ClientPhase::Open(session) {
            return;
        }
        let storage = self.write(state, effects);
        storage.phase = ClientPhase::Expired;
        // Acknowledgements may have overtaken one another, so these need not follow one another.
        let unknown = storage.unacknowledged.keys().copied().collect();
        effects.cancel_timer(Timer::Retry);
        effects.report(Output::OutcomeUnknown { unknown });
    }
}

impl Actor for Client {
    type Msg = Message;
    type Timer = Timer;
    type State = ClientState;
    type Storage = ClientStorage;
    type Random = ();

    fn on_start(
        &self,
        _id: Id,
        storage: &Option<ClientStorage>,
        out: &mut Out<Self>,
    ) -> ClientState {
        assert!(!self.replicas.is_empty(), "a client needs a replica to ask");
        let mut effects = Effects::default();
        let storage = match storage {
            Some(storage) if storage.phase != ClientPhase::Expired => {
                if let ClientPhase::Open(session) = storage.phase {
                    effects.report(Output::Opened { session });
                }
                storage.clone()
            }
            // The nonce is new, and so saved before it is used.
            found => {
                effects.save = self.is_durable;
                if found.is_some() { self.new_session() } else { self.first.clone() }
            }
        };
        let state = ClientState {
            durable: Durable::restored(storage),
            target: 0,
            turn: 0,
            shunned: None,
            // The first replica is asked before any other.
            hopeful: self.replicas.len() > 1,
            busy: false,
            backoff: 0,
            repeated_below: Seq(0),
            sent_again_below: Seq(0),
            calm: 0,
            answered: None,
            given_up: None,
            all_silent: false,
        };
        if state.durable.phase == ClientPhase::Opening || !state.is_idle() {
            effects.set_timer(Timer::Retry, Duration::ZERO..self.tuning.redirect_delay);
        }
        emit(effects, || (*state.durable).clone(), out);
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
        let src = NodeId::from(src);
        if src != NodeId::LOCAL && !self.replicas.contains(&src) {
            return;
        }
        let mut effects = Effects::default();
        let fx = &mut effects;
        match msg {
            Message::ToClient(answer) => self.on_answer(state, src, answer, fx),
            Message::Input(Input::Submit(body)) if src == NodeId::LOCAL => {
                self.on_submit(state, body, fx);
            }
            // Not for a client, or not from its own driver.
            Message::ToReplica(_) | Message::ToPeer(_) | Message::Input(_) | Message::Output(_) => {
            }
        }
        emit(effects, || (*state.durable).clone(), out);
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
        emit(effects, || (*state.durable).clone(), out);
    }

    fn name(&self) -> String {
        format!("client {}", self.user)
    }
}

#[cfg(test)]
mod tests;
