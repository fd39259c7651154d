//! The client's rules, each as the exact effects it wants.

use super::*;
use crate::testing::session as session_id;
use crate::types::Slot;

/// Two replicas, at nodes 0 and 1.
fn client() -> Client {
    let tuning = ClientTuning { window: 2, ask_at_once: 1, ..ClientTuning::default() };
    Client::new(User::new("ann"), Nonce(7), vec![NodeId(0), NodeId(1)], tuning)
}

fn ours() -> SessionId {
    session_id(3, 0)
}

/// A client and its state, to be given events one at a time.
struct Chat {
    client: Client,
    state: ClientState,
}

impl Chat {
    /// Before the first answer.
    fn opening() -> Chat {
        Chat::started(client()).0
    }

    /// In a session that is open.
    fn open() -> Chat {
        Chat::started(client().in_session(ours())).0
    }

    /// A client after its start, and the timers that it wants.
    fn started(client: Client) -> (Chat, Vec<(Timer, Range<Duration>)>) {
        let mut out = Out::new();
        let state = client.on_start(Id::from(9), &None, &mut out);
        let timer = |wanted: &_| match wanted {
            stateright::actor::Command::SetTimer(timer, delay) => (*timer, delay.clone()),
            other => panic!("a start sets timers only: {other:?}"),
        };
        let timers = out.iter().map(timer).collect();
        (Chat { client, state }, timers)
    }

    fn step(
        &mut self,
        handler: impl FnOnce(&Client, &mut Cow<'_, ClientState>, &mut Effects),
    ) -> Effects {
        let mut effects = Effects::none();
        let mut state = Cow::Borrowed(&self.state);
        handler(&self.client, &mut state, &mut effects);
        self.state = state.into_owned();
        effects
    }

    fn ignores(&mut self, handler: impl FnOnce(&Client, &mut Cow<'_, ClientState>, &mut Effects)) {
        let effects = self.step(|client, state, fx| {
            handler(client, state, fx);
            assert!(matches!(state, Cow::Borrowed(_)), "the state is not touched");
        });
        assert_eq!(effects, Effects::none());
    }

    fn submits(&mut self, text: &str) -> Effects {
        self.step(|client, state, fx| client.on_submit(state, Body::write(text), fx))
    }

    fn waits(&mut self) -> Effects {
        self.step(|client, state, fx| client.on_retry_timeout(state, fx))
    }

    fn acknowledged(&mut self, seq: u64) -> Effects {
        let src = self.client.target(&self.state);
        self.acknowledged_by(src, seq)
    }

    fn acknowledged_by(&mut self, src: NodeId, seq: u64) -> Effects {
        let slot = Slot(10 + seq);
        self.step(|client, state, fx| {
            client.on_acknowledged(
                state,
                src,
                Acknowledged { session: ours(), seq: Seq(seq), slot },
                fx,
            )
        })
    }

    fn redirected(&mut self, leader: u64) -> Effects {
        self.step(|client, state, fx| client.on_redirect(state, NodeId(leader), fx))
    }

    fn busy(&mut self, queued: u32) -> Effects {
        self.step(|client, state, fx| client.on_busy(state, queued, fx))
    }

    fn expired(&mut self) -> Effects {
        self.step(|client, state, fx| client.on_session_expired(state, ours(), fx))
    }
}

/// The request of this number, as it is sent.
fn request(seq: u64, acked_below: u64, text: &str) -> Message {
    let (seq, acked_below, body) = (Seq(seq), Seq(acked_below), Body::write(text));
    let operation = Operation::InSession { session: ours(), seq, acked_below, body };
    Message::ToReplica(ToReplica::Request(Command {
        stamp: Timestamp(0),
        user: User::new("ann"),
        operation,
    }))
}

fn opening() -> Message {
    Message::ToReplica(ToReplica::Request(crate::testing::open("ann", 7)))
}

fn confirmed(seq: u64) -> Output {
    Output::Confirmed { seq: Seq(seq), slot: Slot(10 + seq) }
}

impl Effects {
    /// Then the client's timer, at its retry interval doubled so often.
    fn retry(mut self, doublings: u32) -> Effects {
        let delay = ClientTuning::default().retry_interval * 2_u32.pow(doublings);
        self.set_timer(Timer::Retry, delay..delay * 2);
        self
    }
}

/// The target, whether it is hopeful, and the doublings of the retry time.
fn manner(chat: &Chat) -> (usize, bool, u8) {
    (chat.state.target, chat.state.hopeful, chat.state.backoff)
}

mod opening {
    use super::*;

    #[test]
    fn a_client_that_starts_will_soon_ask_for_a_session() {
        let soon = Duration::ZERO..ClientTuning::default().redirect_delay;
        let (mut chat, timers) = Chat::started(client());
        assert_eq!(timers, [(Timer::Retry, soon)]);
        let expected = Effects::none().sent(0, super::opening()).retry(0);
        assert_eq!(chat.waits(), expected);
    }

    #[test]
    fn an_open_session_without_anything_to_say_needs_no_timer() {
        assert_eq!(Chat::started(client().in_session(ours())).1, []);
    }

    #[test]
    fn a_script_is_said_at_the_first_time_out() {
        let script = vec![Body::write("a"), Body::write("b"), Body::write("c")];
        let (mut chat, timers) = Chat::started(client().in_session(ours()).saying(script));
        assert_eq!(timers.len(), 1);
        let expected =
            Effects::none().sent(0, request(1, 1, "a")).sent(0, request(2, 1, "b")).retry(0);
        assert_eq!(chat.waits(), expected);
    }

    #[test]
    fn an_opened_session_is_reported_and_what_waits_is_sent() {
        let mut chat = Chat::opening();
        assert_eq!(chat.submits("a"), Effects::none(), "it has no session yet");
        let effects = chat.step(|client, state, fx| {
            client.on_session_opened(
                state,
                NodeId(0),
                SessionOpened { nonce: Nonce(7), session: ours() },
                fx,
            )
        });
        let expected = Effects::none()
            .reported(Output::Opened { session: ours() })
            .sent(0, request(1, 1, "a"))
            .retry(0);
        assert_eq!(effects, expected);
        assert_eq!(chat.state.durable.phase, ClientPhase::Open(ours()));
    }

    #[test]
    fn a_session_opened_for_another_nonce_or_for_the_second_time_is_ignored() {
        let mut chat = Chat::opening();
        chat.ignores(|client, state, fx| {
            client.on_session_opened(
                state,
                NodeId(0),
                SessionOpened { nonce: Nonce(8), session: ours() },
                fx,
            )
        });
        let mut chat = Chat::open();
        let other = session_id(4, 0);
        chat.ignores(|client, state, fx| {
            client.on_session_opened(
                state,
                NodeId(0),
                SessionOpened { nonce: Nonce(7), session: other },
                fx,
            )
        });
    }
}

mod sending {
    use super::*;

    #[test]
    fn what_is_said_is_numbered_from_one_and_sent_at_once() {
        let mut chat = Chat::open();
        assert_eq!(chat.submits("a"), Effects::none().sent(0, request(1, 1, "a")).retry(0));
        assert_eq!(chat.submits("b"), Effects::none().sent(0, request(2, 1, "b")));
    }

    #[test]
    fn at_most_a_window_of_requests_is_unacknowledged() {
        let mut chat = Chat::open();
        chat.submits("a");
        chat.submits("b");
        assert_eq!(chat.submits("c"), Effects::none());
        assert_eq!(chat.state.durable.waiting, [Body::write("c")]);
        // The first number that has no acknowledgement is 2 now.
        let expected = Effects::none().reported(confirmed(1)).sent(0, request(3, 2, "c")).retry(0);
        assert_eq!(chat.acknowledged(1), expected);
    }

    /// However many later ones are acknowledged, a session still knows the slot of the oldest.
    #[test]
    fn numbers_do_not_run_away_from_one_whose_acknowledgement_was_lost() {
        let mut chat = Chat::open();
        let last = ACKNOWLEDGEMENTS_MAX as u64;
        for number in 1..=last {
            chat.submits("x");
            if number > 1 {
                chat.acknowledged(number);
            }
        }
        assert_eq!(chat.submits("y"), Effects::none(), "number 1 may yet be asked for");
        let waits = Effects::none().sent(0, request(1, 1, "x")).retry(0);
        assert_eq!(chat.waits(), waits);
        let expected = Effects::none().reported(confirmed(1));
        let next = request(last + 1, last + 1, "y");
        assert_eq!(chat.acknowledged(1), expected.sent(0, next).retry(0));
    }

    #[test]
    fn a_bound_first_sent_along_is_frozen() {
        let mut chat = Chat::open();
        chat.submits("a");
        chat.submits("b");
        chat.acknowledged(1);
        // Number 2 is sent again as it was sent first, though number 1 is acknowledged now.
        let expected = Effects::none().sent(0, request(2, 1, "b")).retry(0);
        assert_eq!(chat.waits(), expected);
    }

    #[test]
    fn acknowledgements_out_of_order_do_not_raise_the_bound_over_a_gap() {
        let mut chat = Chat::open();
        chat.submits("a");
        chat.submits("b");
        chat.submits("c");
        let expected = Effects::none().reported(confirmed(2)).sent(0, request(3, 1, "c"));
        assert_eq!(chat.acknowledged(2), expected);
    }

    #[test]
    fn what_has_waited_longest_decides_when_to_ask_again() {
        let mut chat = Chat::open();
        chat.submits("a");
        for seq in 2..9 {
            chat.submits("later");
            assert!(chat.acknowledged(seq).timers.is_empty(), "number 1 waits since it was said");
        }
        assert_eq!(chat.waits(), Effects::none().sent(0, request(1, 1, "a")).retry(0));
        chat.submits("last");
        let expected = Effects::none().reported(confirmed(1)).retry(0);
        assert_eq!(chat.acknowledged(1), expected, "now number 9 waits");
    }

    #[test]
    fn a_retry_sends_everything_unanswered_unchanged_and_in_order() {
        let mut chat = Chat::open();
        chat.submits("a");
        chat.submits("b");
        let expected =
            Effects::none().sent(0, request(1, 1, "a")).sent(0, request(2, 1, "b")).retry(0);
        assert_eq!(chat.waits(), expected);
    }

    #[test]
    fn the_last_acknowledgement_stops_the_timer() {
        let mut chat = Chat::open();
        chat.submits("a");
        let expected = Effects::none().reported(confirmed(1)).cancelled(Timer::Retry);
        assert_eq!(chat.acknowledged(1), expected);
        assert!(chat.state.is_idle());
    }

    #[test]
    fn an_acknowledgement_is_reported_once_and_only_of_one_s_own_session() {
        let mut chat = Chat::open();
        chat.submits("a");
        let (of, other) = (ours(), session_id(9, 9));
        chat.ignores(|client, state, fx| {
            client.on_acknowledged(
                state,
                NodeId(0),
                Acknowledged { session: other, seq: Seq(1), slot: Slot(5) },
                fx,
            );
        });
        chat.acknowledged(1);
        chat.ignores(|client, state, fx| {
            client.on_acknowledged(
                state,
                NodeId(0),
                Acknowledged { session: of, seq: Seq(1), slot: Slot(5) },
                fx,
            )
        });
    }
}

mod the_replica_asked {
    use super::*;

    #[test]
    fn is_the_first_at_first_then_changes_and_the_time_doubles_up_to_a_limit() {
        let mut chat = Chat::open();
        chat.submits("a");
        for (target, doublings) in [(0, 0), (1, 1), (0, 2), (1, 3), (0, 4), (1, 4)] {
            let expected = Effects::none().sent(target, request(1, 1, "a")).retry(doublings);
            assert_eq!(chat.waits(), expected);
        }
    }

    #[test]
    fn is_asked_once_more_if_it_has_answered_before() {
        let mut chat = Chat::open();
        chat.submits("a");
        chat.waits();
        chat.waits();
        chat.submits("b");
        chat.acknowledged(1);
        assert_eq!(manner(&chat), (1, true, 1));
        assert_eq!(chat.waits(), Effects::none().sent(1, request(2, 1, "b")).retry(1));
        assert_eq!(manner(&chat), (1, false, 1));
        assert_eq!(chat.waits(), Effects::none().sent(0, request(2, 1, "b")).retry(2));
    }

    /// Five replicas.
    fn among_five(ask_at_once: usize) -> Chat {
        let mut chat = Chat::open();
        chat.client.replicas = (0..5).map(NodeId).collect();
        chat.client.tuning.ask_at_once = ask_at_once;
        chat
    }

    #[test]
    fn has_its_turn_whomever_others_name() {
        let mut chat = among_five(1);
        chat.submits("a");
        (chat.state.target, chat.state.turn, chat.state.hopeful) = (3, 3, false);
        let mut asked = Vec::new();
        for _ in 0..12 {
            chat.waits();
            asked.push(chat.state.target);
            if chat.state.target == 4 {
                chat.redirected(3);
            }
        }
        assert!(asked.contains(&0) && asked.contains(&1), "{asked:?}");
    }

    #[test]
    fn is_joined_by_others_far_from_it_while_it_is_silent() {
        let mut chat = among_five(4);
        chat.submits("a");
        chat.submits("b");
        chat.waits();
        let oldest = request(1, 1, "a");
        let expected = Effects::none()
            .sent(2, oldest.clone())
            .sent(3, oldest.clone())
            .sent(4, oldest.clone())
            .sent(1, oldest)
            .sent(1, request(2, 1, "b"))
            .retry(1);
        assert_eq!(chat.waits(), expected);
    }

    #[test]
    fn is_from_then_on_whoever_answers_while_it_is_silent() {
        let mut chat = among_five(4);
        chat.submits("a");
        chat.submits("b");
        chat.waits();
        chat.waits();
        chat.acknowledged_by(NodeId(3), 1);
        assert_eq!((chat.state.target, chat.state.turn), (3, 3));
        chat.acknowledged_by(NodeId(0), 2);
        assert_eq!(chat.state.target, 3, "which serves");
    }

    #[test]
    fn is_the_one_that_is_said_to_lead_after_a_short_while() {
        let mut chat = Chat::open();
        chat.submits("a");
        let mut expected = Effects::none();
        let delay = ClientTuning::default().redirect_delay;
        expected.set_timer(Timer::Retry, delay..delay * 2);
        assert_eq!(chat.redirected(1), expected);
        assert_eq!(manner(&chat), (1, true, 0));
        assert_eq!(chat.waits(), Effects::none().sent(1, request(1, 1, "a")).retry(0));
    }

    #[test]
    fn does_not_change_when_it_is_itself_said_to_lead_or_an_unknown_one_is() {
        let mut chat = Chat::open();
        chat.submits("a");
        for leader in [0, 5] {
            chat.ignores(|client, state, fx| client.on_redirect(state, NodeId(leader), fx));
        }
    }

    #[test]
    fn does_not_change_while_nothing_is_unanswered() {
        Chat::open().ignores(|client, state, fx| client.on_redirect(state, NodeId(1), fx));
    }

    #[test]
    fn changes_while_the_session_is_being_opened() {
        let mut chat = Chat::opening();
        chat.redirected(1);
        assert_eq!(chat.waits(), Effects::none().sent(1, super::opening()).retry(0));
    }

    #[test]
    fn is_asked_again_as_much_as_may_be_sent_at_once_and_the_rest_as_that_is_acknowledged() {
        let mut chat = Chat::open();
        chat.client.tuning.window = 4;
        chat.client.tuning.retry_bytes_max = 1;
        ["a", "b", "c"].iter().for_each(|text| drop(chat.submits(text)));
        assert_eq!(chat.waits(), Effects::none().sent(0, request(1, 1, "a")).retry(0));
        let next = Effects::none().reported(confirmed(1)).sent(0, request(2, 1, "b"));
        assert_eq!(chat.acknowledged(1), next.retry(0));
        let next = Effects::none().reported(confirmed(2)).sent(0, request(3, 1, "c"));
        assert_eq!(chat.acknowledged(2), next.retry(0));
        let mut expected = Effects::none().reported(confirmed(3));
        expected.cancel_timer(Timer::Retry);
        assert_eq!(chat.acknowledged(3), expected, "nothing is left");
    }

    #[test]
    fn is_asked_again_later_once_it_has_answered_twice() {
        let mut chat = Chat::open();
        chat.submits("a");
        chat.submits("b");
        chat.acknowledged_by(NodeId(1), 1);
        assert_eq!(manner(&chat), (0, true, 0));
        chat.waits();
        chat.acknowledged(2);
        chat.ignores(|client, state, fx| {
            client.on_acknowledged(
                state,
                NodeId(1),
                Acknowledged { session: ours(), seq: Seq(2), slot: Slot(12) },
                fx,
            );
        });
        for doublings in [1, 1] {
            chat.acknowledged(2);
            assert_eq!(manner(&chat), (0, true, doublings), "once for all that was sent again");
        }
    }

    #[test]
    fn is_not_asked_later_if_it_answers_what_another_has_answered_before() {
        let mut chat = Chat::open();
        chat.submits("a");
        chat.waits();
        chat.state.hopeful = true;
        chat.acknowledged_by(NodeId(1), 1);
        chat.state.hopeful = false;
        chat.acknowledged_by(NodeId(0), 1);
        assert_eq!(manner(&chat), (0, true, 0));
    }

    #[test]
    fn is_slow_if_it_alone_was_given_up_on_and_not_if_all_were() {
        for (time_outs, doublings) in [(1, 1), (4, 2)] {
            let mut chat = Chat::open();
            chat.submits("a");
            // The first time-out gives up on nobody; then one after the other.
            (0..=time_outs).for_each(|_| drop(chat.waits()));
            chat.acknowledged_by(NodeId(0), 1);
            assert_eq!(chat.state.backoff, doublings, "after {time_outs}");
        }
    }

    #[test]
    fn is_tried_now_and_then_if_it_was_said_to_lead_and_did_not_answer() {
        let mut chat = Chat::open();
        chat.state.shunned = Some(1);
        for seq in 1..=16 {
            chat.submits("x");
            let tried = Effects::none().sent(1, request(seq, seq, "x"));
            let expected = if seq == 1 { tried } else { Effects::none() };
            assert_eq!(chat.redirected(1), expected);
            chat.acknowledged(seq);
        }
        chat.submits("x");
        assert_eq!(chat.redirected(1), Effects::none().sent(1, request(17, 17, "x")));
        chat.acknowledged_by(NodeId(1), 17);
        assert_eq!((chat.state.shunned, chat.state.target), (None, 0));
        chat.submits("x");
        chat.redirected(1);
        assert_eq!(chat.state.target, 1, "it is believed again");
    }

    #[test]
    fn stays_where_there_is_only_one_and_the_time_still_doubles() {
        let mut chat = Chat::open();
        chat.client.replicas.truncate(1);
        chat.submits("a");
        chat.submits("b");
        chat.acknowledged(1);
        assert_eq!(manner(&chat), (0, false, 0), "hope is kept only where there are others");
        chat.waits();
        assert_eq!(manner(&chat), (0, false, 1));
    }
}

mod a_busy_leader {
    use super::*;

    /// The client waits for so many values, and its time has doubled so often.
    fn waits(values: u32, doublings: u32) -> Effects {
        let delay = ClientTuning::default().commit_time * values * 2_u32.pow(doublings);
        let mut effects = Effects::none();
        effects.set_timer(Timer::Retry, delay..delay * 2);
        effects
    }

    #[test]
    fn is_asked_again_in_proportion_to_what_it_has_queued_and_twice_as_late_each_time() {
        let mut chat = Chat::open();
        chat.submits("a");
        let again = |doublings| Effects::none().sent(0, request(1, 1, "a")).retry(doublings);
        for (time, queued) in [(0, 1), (1, 8), (2, 4)] {
            assert_eq!(chat.busy(queued), waits(queued, time));
            assert_eq!(chat.waits(), again(time + 1), "the same one, which is alive");
        }
        assert_eq!(manner(&chat), (0, true, 3), "it was not given up");
    }

    #[test]
    fn makes_a_client_wait_no_longer_than_silence_does() {
        let mut chat = Chat::open();
        chat.submits("a");
        let tuning = ClientTuning::default();
        let longest = tuning.retry_interval * (1 << tuning.backoff_doublings_max);
        for _ in 0..20 {
            let Effects { timers, .. } = chat.busy(u32::MAX);
            assert_eq!(timers, [(Timer::Retry, Some(longest..longest * 2))]);
            chat.waits();
        }
        assert_eq!(chat.state.backoff, tuning.backoff_doublings_max);
    }

    #[test]
    fn counts_once_for_all_requests_that_it_refuses_at_a_time() {
        let mut chat = Chat::open();
        chat.submits("a");
        chat.submits("b");
        assert_eq!(chat.busy(2), waits(2, 0));
        chat.ignores(|client, state, fx| client.on_busy(state, 2, fx));
    }

    #[test]
    fn is_forgiven_when_it_answers() {
        let mut chat = Chat::open();
        chat.submits("a");
        chat.submits("b");
        chat.busy(2);
        chat.acknowledged(1);
        assert_eq!((manner(&chat), chat.state.busy), ((0, true, 0), false));
        assert_eq!(chat.busy(2), waits(2, 0));
    }

    #[test]
    fn is_waited_for_while_a_session_is_being_opened() {
        assert_eq!(Chat::opening().busy(4), waits(4, 0));
    }

    #[test]
    fn means_nothing_to_whoever_asks_nothing() {
        Chat::open().ignores(|client, state, fx| client.on_busy(state, 2, fx));
        let mut chat = Chat::open();
        chat.submits("a");
        chat.expired();
        chat.ignores(|client, state, fx| client.on_busy(state, 2, fx));
    }

    #[test]
    fn leaves_the_state_alone_where_times_never_double() {
        let mut chat = Chat::open();
        chat.client.tuning.backoff_doublings_max = 0;
        chat.submits("a");
        let before = chat.state.clone();
        assert_eq!((chat.busy(2), chat.state), (waits(2, 0), before));
    }
}

mod an_expired_session {
    use super::*;

    #[test]
    fn ends_with_the_unacknowledged_reported_as_unknown() {
        let mut chat = Chat::open();
        chat.submits("a");
        chat.submits("b");
        chat.submits("c");
        let unknown = Output::OutcomeUnknown { unknown: vec![Seq(1), Seq(2)] };
        let expected = Effects::none().reported(unknown).cancelled(Timer::Retry);
        assert_eq!(chat.expired(), expected);
        assert_eq!(chat.state.durable.phase, ClientPhase::Expired);
    }

    #[test]
    fn names_what_is_unknown_though_acknowledgements_came_out_of_order() {
        let mut chat = Chat::open();
        chat.client.tuning.window = 3;
        ["a", "b", "c"].iter().for_each(|text| drop(chat.submits(text)));
        chat.acknowledged(2);
        let unknown = Output::OutcomeUnknown { unknown: vec![Seq(1), Seq(3)] };
        assert_eq!(chat.expired(), Effects::none().reported(unknown).cancelled(Timer::Retry));
    }

    #[test]
    fn of_which_all_was_acknowledged_leaves_nothing_unknown() {
        let mut chat = Chat::open();
        chat.submits("a");
        chat.acknowledged(1);
        let unknown = Output::OutcomeUnknown { unknown: Vec::new() };
        let expected = Effects::none().reported(unknown).cancelled(Timer::Retry);
        assert_eq!(chat.expired(), expected);
    }

    #[test]
    fn never_sends_anything_again() {
        let mut chat = Chat::open();
        chat.submits("a");
        chat.expired();
        assert_eq!(chat.waits(), Effects::none().cancelled(Timer::Retry));
        chat.ignores(|client, state, fx| client.on_redirect(state, NodeId(1), fx));
        chat.ignores(|client, state, fx| {
            client.on_acknowledged(
                state,
                NodeId(0),
                Acknowledged { session: ours(), seq: Seq(1), slot: Slot(5) },
                fx,
            );
        });
        assert_eq!(chat.submits("b"), Effects::none().cancelled(Timer::Retry));
    }

    #[test]
    fn of_another_client_or_a_second_time_is_ignored() {
        let other = session_id(9, 9);
        Chat::open().ignores(|client, state, fx| client.on_session_expired(state, other, fx));
        let mut chat = Chat::open();
        chat.expired();
        chat.ignores(|client, state, fx| client.on_session_expired(state, ours(), fx));
        let mut chat = Chat::opening();
        chat.ignores(|client, state, fx| client.on_session_expired(state, ours(), fx));
    }
}

mod a_durable_client {
    use super::*;
    use stateright::actor::Command as Wanted;

    /// A durable client that was started with this storage, and what it saved and sent then.
    fn starts(storage: Option<ClientStorage>) -> (Chat, Option<ClientStorage>, Vec<Message>) {
        // Its own nonce is another one in each life.
        let nonce = Nonce(if storage.is_some() { 8 } else { 7 });
        let client = Client {
            is_durable: true,
            ..Client::new(User::new("ann"), nonce, client().replicas, client().tuning)
        };
        let mut out = Out::new();
        let state = client.on_start(Id::from(9), &storage, &mut out);
        let (mut saved, mut sent) = (None, Vec::new());
        for wanted in out {
            match wanted {
                Wanted::Save(storage) => saved = Some(storage),
                Wanted::Send(_, message) => sent.push(message),
                _ => {}
            }
        }
        (Chat { client, state }, saved, sent)
    }

    /// A durable client whose session is open.
    fn open() -> Chat {
        let mut chat = starts(None).0;
        chat.step(|client, state, fx| {
            client.on_session_opened(
                state,
                NodeId(0),
                SessionOpened { nonce: Nonce(7), session: ours() },
                fx,
            )
        });
        chat
    }

    /// What is left of it after a crash.
    fn left_by(chat: &Chat) -> Option<ClientStorage> {
        Some((*chat.state.durable).clone())
    }

    #[test]
    fn saves_its_nonce_before_it_asks_for_a_session() {
        let (chat, saved, sent) = starts(None);
        assert_eq!((saved, sent), (left_by(&chat), vec![]));
        let (mut again, saved, sent) = starts(left_by(&chat));
        assert_eq!((saved, sent), (None, vec![]), "all of it is saved already");
        let expected = Effects::none().sent(0, super::opening()).retry(0);
        assert_eq!(again.waits(), expected, "it asks with the nonce that it asked with before");
    }

    #[test]
    fn saves_whatever_its_requests_and_reports_depend_on() {
        let mut chat = starts(None).0;
        assert_eq!(chat.submits("a"), Effects::saved(), "it is submitted and not sent");
        let effects = chat.step(|client, state, fx| {
            client.on_session_opened(
                state,
                NodeId(0),
                SessionOpened { nonce: Nonce(7), session: ours() },
                fx,
            )
        });
        let opened = Effects::saved().reported(Output::Opened { session: ours() });
        assert_eq!(effects, opened.sent(0, request(1, 1, "a")).retry(0));
        assert_eq!(chat.submits("b"), Effects::saved().sent(0, request(2, 1, "b")));
        assert_eq!(chat.acknowledged(1), Effects::saved().reported(confirmed(1)).retry(0));
        let again = Effects::none().sent(0, request(2, 1, "b")).retry(0);
        assert_eq!(chat.waits(), again, "nothing new is said, so nothing is saved");
    }

    #[test]
    fn goes_on_under_the_same_numbers_and_asks_for_no_session_again() {
        let mut chat = open();
        ["a", "b", "c", "d"].iter().for_each(|text| drop(chat.submits(text)));
        chat.acknowledged(2);
        let storage = left_by(&chat).unwrap();
        let texts = [(1, "a"), (3, "c"), (4, "d")].map(|(seq, text)| (Seq(seq), Body::write(text)));
        assert!(storage.pending().eq(texts.iter().map(|(seq, body)| (*seq, body))));
        assert_eq!(storage.next_submitted(), Seq(5));
        let (mut again, saved, sent) = starts(Some(storage));
        assert_eq!((saved, sent), (None, vec![Output::Opened { session: ours() }.into()]));
        let expected = Effects::none().sent(0, request(1, 1, "a")).sent(0, request(3, 1, "c"));
        assert_eq!(again.waits(), expected.retry(0));
        let expected = Effects::saved().reported(confirmed(1)).sent(0, request(4, 3, "d"));
        assert_eq!(again.acknowledged(1), expected.retry(0));
    }

    #[test]
    fn with_nothing_pending_resumes_its_session_and_asks_nothing() {
        let mut chat = open();
        chat.submits("a");
        chat.acknowledged(1);
        let (mut again, _, _) = starts(left_by(&chat));
        assert!(again.state.is_idle());
        assert_eq!(again.submits("b"), Effects::saved().sent(0, request(2, 2, "b")).retry(0));
    }

    #[test]
    fn whose_session_has_expired_keeps_what_is_unknown_and_comes_back_in_a_new_one() {
        let mut chat = open();
        ["a", "b", "c"].iter().for_each(|text| drop(chat.submits(text)));
        let unknown = Output::OutcomeUnknown { unknown: vec![Seq(1), Seq(2)] };
        let expected = Effects::saved().reported(unknown).cancelled(Timer::Retry);
        assert_eq!(chat.expired(), expected);
        assert_eq!(chat.state.durable.unacknowledged.len(), 2);
        let (mut again, saved, sent) = starts(left_by(&chat));
        assert_eq!((saved, sent), (left_by(&again), vec![]));
        let expected = Effects::none()
            .sent(0, Message::ToReplica(ToReplica::Request(crate::testing::open("ann", 8))));
        assert_eq!(again.waits(), expected.retry(0), "and says nothing of what it said before");
        assert!(again.state.is_idle());
    }
}

#[test]
fn only_its_own_driver_may_submit() {
    let chat = Chat::open();
    let submit = Message::Input(Input::Submit(Body::write("a")));
    for (sender, sends) in [(NodeId(0), 0), (NodeId::LOCAL, 1)] {
        let mut out = Out::new();
        let mut state = Cow::Borrowed(&chat.state);
        let sender = Id::from(sender);
        chat.client.on_msg(Id::from(9), &mut state, sender, submit.clone(), &mut out);
        assert_eq!(state.durable.unacknowledged.len(), sends);
    }
}
