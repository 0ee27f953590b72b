//! Lists of deposits: who sees which, in what state, page after page.

use crate::common::{TestStore, address, new_deposit, on_both_engines};
use jiff::SignedDuration;
use sealpost_envelope::{AccountId, DepositId, Secret, Treatment};
use sealpost_store::account::{Accounts, NewAccount, Role, Standing};
use sealpost_store::{
    Change, ConsignmentState, DepositState, FollowFilter, RecipientMatch, Sight, StateFilter,
};

on_both_engines!(
    senders_see_their_own,
    pages_are_stable,
    states_in_sql_and_in_rust_are_the_same,
    filters_narrow,
);

async fn account(t: &TestStore, login: &str) -> AccountId {
    let accounts = Accounts::new(t).unwrap();
    let new = NewAccount {
        entity: t.entity,
        login: address(login),
        role: Role::Sender,
        name: login.into(),
        password: Some(Secret::new("a long password".into())),
    };
    accounts.create(new, vec![]).await.unwrap().id
}

async fn ids(t: &TestStore, filter: &FollowFilter) -> Vec<DepositId> {
    t.follow(filter).await.unwrap().into_iter().map(|f| f.row.id).collect()
}

async fn senders_see_their_own(t: TestStore) {
    let (alice, paul) = (account(&t, "alice@martin.example").await, account(&t, "paul@martin.example").await);
    let accounts = Accounts::new(&t).unwrap();
    let doctor = accounts.by_id(alice).await.unwrap().unwrap();
    // Alice's own, through her account; in her name, through a server; Paul's; in her name, by Paul.
    let mut all = Vec::new();
    for (by, from) in [
        (Some(alice), "alice@martin.example"),
        (None, "ALICE@martin.example"),
        (Some(paul), "paul@martin.example"),
        (Some(paul), "alice@martin.example"),
    ] {
        let mut new = new_deposit(t.entity, t.now(), &["bob@dupont.example"]);
        (new.account, new.sender) = (by, address(from));
        t.deposit(new.clone()).await.unwrap();
        all.push(new.id);
        t.clock.advance(SignedDuration::from_secs(1));
    }
    let own = |who| FollowFilter::all(Sight::Own(t.entity, who), 50);
    assert_eq!(ids(&t, &own(alice)).await, [all[3], all[1], all[0]]);
    assert_eq!(ids(&t, &own(paul)).await, [all[3], all[2]]);
    assert_eq!(ids(&t, &FollowFilter::all(Sight::Entity(t.entity), 50)).await.len(), 4);
    // Acting for somebody shows nothing of what others sent in that name.
    let paul_account = accounts.by_id(paul).await.unwrap().unwrap();
    accounts.add_address(&paul_account, &doctor.login, Standing::ActsFor, vec![]).await.unwrap();
    assert_eq!(ids(&t, &own(paul)).await.len(), 2);
    // Of many addresses none is forgotten.
    for n in 0..20 {
        let alias = address(&format!("alice{n}@martin.example"));
        accounts.add_address(&doctor, &alias, Standing::Own, vec![]).await.unwrap();
    }
    assert_eq!(ids(&t, &own(alice)).await, [all[3], all[1], all[0]]);
    // The other organisation sees none of it, whoever asks for what.
    let other = t.ensure_entity("Étude Durand", None).await.unwrap();
    for sight in [Sight::Entity(other), Sight::Own(other, alice)] {
        assert!(ids(&t, &FollowFilter::all(sight, 50)).await.is_empty());
        assert!(t.follow_one(sight, &all[0].to_string()).await.unwrap().is_none());
    }
    for (id, alice_sees, paul_sees) in
        [(all[0], true, false), (all[1], true, false), (all[2], false, true), (all[3], true, true)]
    {
        let sees =
            async |who| t.follow_one(Sight::Own(t.entity, who), &id.to_string()).await.unwrap().is_some();
        assert_eq!((sees(alice).await, sees(paul).await), (alice_sees, paul_sees));
    }
}

async fn pages_are_stable(t: TestStore) {
    let alice = account(&t, "alice@martin.example").await;
    let mut made = Vec::new();
    for n in 0..7 {
        let mut new = new_deposit(t.entity, t.now(), &["bob@dupont.example"]);
        new.account = Some(alice);
        t.deposit(new.clone()).await.unwrap();
        made.push(new.id);
        // Several in the same microsecond.
        if n % 3 == 0 {
            t.clock.advance(SignedDuration::from_secs(1));
        }
    }
    for sight in [Sight::Entity(t.entity), Sight::Own(t.entity, alice)] {
        let whole = ids(&t, &FollowFilter::all(sight, 50)).await;
        assert_eq!(whole.len(), made.len());
        let (mut pages, mut filter) = (Vec::new(), FollowFilter::all(sight, 2));
        loop {
            let page = t.follow(&filter).await.unwrap();
            let Some(last) = page.last() else { break };
            filter.after = Some((last.row.created, last.row.id));
            pages.extend(page.iter().map(|f| f.row.id));
        }
        assert_eq!(pages, whole);
    }
}

/// Every combination of what may have happened to two recipients.
async fn states_in_sql_and_in_rust_are_the_same(t: TestStore) {
    let day = SignedDuration::from_hours(24);
    let mut seen = std::collections::HashSet::new();
    for code in 0u32..81 {
        let mut new = new_deposit(t.entity, t.now(), &["bob@dupont.example", "chloe@dupont.example"]);
        for (n, c) in new.consignments.iter_mut().enumerate() {
            let bits = code / 9u32.pow(n as u32) % 9;
            if bits == 6 {
                c.verdict.expires = t.now() - day;
            }
            if bits == 5 {
                c.verdict.hold = Some("near miss".into());
            }
            if bits == 1 && n == 1 {
                (c.verdict.treatment, c.token_hash) = (Treatment::Seal, None);
            }
        }
        let id = new.id;
        t.deposit(new).await.unwrap();
        for n in 1..=2 {
            let nothing = Change::default;
            match code / 9u32.pow(n - 1) % 9 {
                1 => t.mark_sent(id, n, t.now(), nothing()).await.unwrap(),
                2 => {
                    t.mark_sent(id, n, t.now(), nothing()).await.unwrap();
                    t.mark_opened(id, n, None, t.now(), |_| Ok(Change::default())).await.unwrap();
                }
                3 => t.mark_failed(id, n, t.now(), "no".into(), nothing()).await.unwrap(),
                4 => assert_eq!(t.revoke(id, Some(n), nothing()).await.unwrap(), 1),
                7 => {
                    t.mark_opened(id, n, None, t.now(), |_| Ok(Change::default())).await.unwrap();
                    t.mark_downloaded(id, n, t.now(), |_| Ok(Change::default())).await.unwrap();
                }
                8 => {
                    let sql = "UPDATE consignments SET declined = 1 WHERE deposit = $1 AND recipient = $2";
                    t.db().execute(sql, sealpost_store::args![id, n]).await.unwrap();
                }
                _ => {}
            }
        }
    }
    let all = t.follow(&FollowFilter::all(Sight::Entity(t.entity), 200)).await.unwrap();
    assert_eq!(all.len(), 81);
    for state in DepositState::ALL {
        let mut filter = FollowFilter::all(Sight::Entity(t.entity), 200);
        filter.state = Some(StateFilter::Is(state));
        let by_sql = ids(&t, &filter).await;
        let by_rust: Vec<_> = all.iter().filter(|f| f.state == state).map(|f| f.row.id).collect();
        assert_eq!(by_sql, by_rust, "{state:?}");
        assert!(!by_rust.is_empty(), "{state:?} does not occur");
        seen.extend(by_rust);
    }
    assert_eq!(seen.len(), 81, "each has exactly one state");
    let mut filter = FollowFilter::all(Sight::Entity(t.entity), 200);
    filter.state = Some(StateFilter::Consulted);
    let read = |f: &&sealpost_store::Followed| {
        use ConsignmentState::{Downloaded, Opened};
        f.recipients.iter().any(|c| matches!(c.state(t.now()), Opened | Downloaded))
    };
    assert_eq!(ids(&t, &filter).await.len(), all.iter().filter(read).count());
}

async fn filters_narrow(t: TestStore) {
    let first = new_deposit(t.entity, t.now(), &["Bob.Martin@dupont.example"]);
    t.deposit(first.clone()).await.unwrap();
    t.clock.advance(SignedDuration::from_secs(60));
    let second = new_deposit(t.entity, t.now(), &["chloe_x@dupont.example", "a%b@dupont.example"]);
    t.deposit(second.clone()).await.unwrap();
    let all = || FollowFilter::all(Sight::Entity(t.entity), 50);
    let recipient = |part: &str| FollowFilter { recipient: Some(RecipientMatch::Part(part.into())), ..all() };
    for (part, expected) in [
        ("bob.m", vec![first.id]),
        ("BOB", vec![first.id]),
        ("dupont", vec![second.id, first.id]),
        ("_x", vec![second.id]),
        ("e_d", vec![]),
        ("%", vec![second.id]),
        ("!", vec![]),
    ] {
        assert_eq!(ids(&t, &recipient(part)).await, expected, "{part}");
    }
    let key = address("bob.martin@DUPONT.example");
    let exact = FollowFilter { recipient: Some(RecipientMatch::Address(key.key())), ..all() };
    assert_eq!(
        ids(&t, &exact).await.len(),
        usize::from(key.key() == address("Bob.Martin@dupont.example").key())
    );
    let reference = FollowFilter { reference: Some(second.reference.clone()), ..all() };
    assert_eq!(ids(&t, &reference).await, [second.id]);
    let since = FollowFilter { since: Some(second.created), ..all() };
    assert_eq!(ids(&t, &since).await, [second.id]);
    let until = FollowFilter { until: Some(second.created), ..all() };
    assert_eq!(ids(&t, &until).await, [first.id]);
}
