// SPDX-License-Identifier: MIT
//
// The lease protocol for Spin 6.5: one worker ID, two clients, and a store with a clock of its own.
// `check_model` beside this file says with which parameters it is run and what has to come out.
//
// Time is relative: every clock is a set of count-downs, so runs are endless and states finite. One
// step of Clock is one tick of true time and may come between any two other steps: that is every
// delay and every pause. In a whole run each client's clock may lose SLOW ticks, and the store's may
// gain FAST: drift, or a step that the store did not see. Requests and answers may be delayed for
// ever, lost, duplicated and reordered.
//
// With CRASHES the store may come back with an older state: lost writes, or a fail-over. It is then
// in recovery for GRACE ticks. The rules:
//   R1  in recovery nothing is granted
//   R2  who holds re-registers what the store forgot, unless the record was granted in this
//       incarnation to another, or another has it by a grant that is not earlier. What a held renewal
//       extends was not written in this incarnation: it may have been under way since before
//   R3  nobody gets back what has lapsed: in recovery validities are extended and none begins, and a
//       strict renewal is believed only of what was granted in this incarnation
//   R4  records keep their holders while it recovers
//   R5  repeating an acquisition whose record is of a former incarnation is a new grant
//   R6  renewing a record that is of an earlier grant than the holder's, though under its token,
//       re-registers the holder's
// Each grant has an epoch above all others, also after a crash: it comes from the store's wall clock.
// With RANGES, ranges take the place of epochs: later ones lie above all that may have been forgotten.
//
// With TAKEOVER a client whose process is gone comes back with a new token and takes the ID from the
// old one although its time runs. The rules:
//   R7  the acquisition names the tokens that are gone, and takes the ID from no other
//   R8  whoever replaces a record whose time runs, by a takeover or a restoration: until that time
//       is over nobody else is granted the ID, not even when the new holder releases it (the floor)
//
// What must hold, always:
//   exclusive   never do both clients hold the ID, each by its own clock (G1)
//   disjoint    with RANGES, no timestamp is ever in the ranges of two acquisitions (G8): as ranges
//               grow upwards, a successor's first lies above every limit that anybody was told
//   ordered     with ORDERED, no validity begins under an earlier epoch than the one before (G4)
//   kept        with ORDERED, who holds by the latest grant is never told that it lost the ID (G7)
//
// A macro that begins with M_ breaks one rule, so that the model can be seen to need it.

#ifndef LEASE
#define LEASE 2       /* the store's lease, in its ticks                                     */
#endif
#ifndef VALID
#define VALID LEASE   /* the client's validity, in its ticks, from before the request (G2)   */
#endif
#ifndef SLOW
#define SLOW 1
#endif
#ifndef FAST
#define FAST 1
#endif
#ifndef DELAY         /* the reuse delay: the formula of Options::tolerance(), in ticks      */
#define DELAY (VALID + SLOW + FAST - LEASE)
#endif
#ifndef GRACE
#define GRACE (VALID + SLOW + FAST)
#endif
#ifndef CRASHES
#define CRASHES 0
#endif
#ifndef EPOCHS
#define EPOCHS 3      /* with CRASHES: grants in a whole run                                 */
#endif
#ifndef ORDERED
#define ORDERED 0     /* 1, with CRASHES, without RANGES: `ordered` and `kept` are looked at */
#endif
#ifndef TOKENS
#define TOKENS 1      /* acquisitions of each client, each with a token of its own           */
#endif
#ifndef TOKENS_1
#define TOKENS_1 TOKENS   /* those of client 1                                               */
#endif
#ifndef STRAGGLER
#define STRAGGLER 0   /* so many older requests may arrive after newer ones, 2 at the most   */
#endif
#ifndef RANGES
#define RANGES 0      /* 1: timestamps are reserved                                          */
#endif
#ifndef LATEST
#define LATEST 4      /* timestamps are 1 to LATEST, 7 at the most                           */
#endif
#ifndef STRICT
#define STRICT 0      /* 1: the explicit API: nobody resumes, and renewals may be strict     */
#endif
#ifndef TAKEOVER
#define TAKEOVER 0    /* 1: processes crash, and the next ones take over                     */
#endif
#ifndef COPIED
#define COPIED 0      /* 1: client 1 has a copy of client 0's identity file                  */
#endif
#ifndef FALSE_CLAIM
#define FALSE_CLAIM 0 /* 1: a third party takes over from holders that are not gone; here
                         RANGES go without CRASHES                                           */
#endif

/* The rules that a mutant breaks. */
#ifdef M_NO_REUSE_DELAY
#undef DELAY
#define DELAY 0
#endif
#ifdef M_NO_GRACE
#undef GRACE
#define GRACE 0
#endif
#ifdef M_RENEW_WITHOUT_TOKEN
#define RENEWS_ANY true
#else
#define RENEWS_ANY false
#endif
#ifdef M_RELEASE_WITHOUT_TOKEN
#define RELEASES_ANY true
#else
#define RELEASES_ANY false
#endif
#ifdef M_REVIVE_IN_GRACE
#define REVIVES true
#else
#define REVIVES false
#endif
#ifdef M_ZOMBIE_STORE
#define ZOMBIE true
#else
#define ZOMBIE false
#endif
#ifdef M_CLOCK_STOPS_IN_SUSPEND
#define STOPS true
#else
#define STOPS false
#endif
#ifdef M_TAKE_LATE_RENEWAL
#define TAKES_LATE true
#else
#define TAKES_LATE false
#endif

/* R2: which records a restoration of that epoch may replace. Formerly whoever wrote the record first
   in this incarnation kept it, and held renewals counted. */
#ifdef M_TAKE_CONFIRMED
#define MAY_REPLACE(its_epoch) true
#elif defined(M_FORMER_R2) || defined(M_FIRST_RESTORATION_KEEPS)
#define MAY_REPLACE(its_epoch) (written == 0 && epoch < (its_epoch))
#else
#define MAY_REPLACE(its_epoch) (written != GRANTED && epoch < (its_epoch))
#endif
/* Whether a held renewal makes the record one of this incarnation, as a grant does. */
#if defined(M_FORMER_R2) || defined(M_HELD_COUNTS_AS_WRITTEN)
#define HELD_WRITES true
#else
#define HELD_WRITES false
#endif
/* R3: after a crash, of which records a strict renewal is believed. A restoration proves nothing: it
   may have been under way since before an earlier crash, and its sender has lapsed. */
#ifdef M_STRICT_AFTER_LOSS
#define STRICT_BELIEVED true
#elif defined(M_STRICT_AFTER_RESTORATION)
#define STRICT_BELIEVED (written != 0)
#else
#define STRICT_BELIEVED (written == GRANTED)
#endif
/* R5: the record is of a former incarnation, and grants after it may have been forgotten. */
#ifdef M_REPEAT_FORMER_RANGE
#define FORMER false
#else
#define FORMER (crashes > 0 && written == 0)
#endif
/* R6: the record is of an earlier grant than the holder's. */
#ifdef M_RENEW_OLDER_GRANT
#define OLDER_GRANT false
#else
#define OLDER_GRANT (CRASHES > 0 && q_epoch[i] > epoch)
#endif

/* R7: whether an acquisition with this token names the record's as gone. */
#ifdef M_TAKEOVER_NAMES_NOTHING
#define NAMES(token, gone) (client_of(token) == client_of(gone) || COPIED)
#else
#define NAMES(token, gone) (USED_BEFORE(token, gone) || (COPIED && gone == 1))
#endif
#define USED_BEFORE(token, gone) (client_of(token) == client_of(gone) && gone < token)
/* R8: for how long nobody else is granted the ID. */
#ifdef M_TAKEOVER_WITHOUT_FLOOR
#define FLOOR_OF_TAKEOVER 0
#else
#define FLOOR_OF_TAKEOVER hold
#endif
#ifdef M_RESTORATION_WITHOUT_FLOOR
#define FLOOR_OF_RESTORATION floor
#else
#define FLOOR_OF_RESTORATION hold
#endif

/* renew: from a client that holds; in recovery it restores as well. strict: from one that may not know.
   resume: from one whose validity is over, a new grant if it gets one. */
mtype = { acquire, renew, strict, resume, release };

/* Clients. */
byte left[2];                    /* ticks for which it holds the ID; 0: it does not          */
byte slowed[2], gained;
byte next[2];                    /* how many of its tokens are used up                       */
bool granted[2];

/* The store's record; what a crash falls back to; the time without grants. */
byte owner, hold;                /* token, 0 for none; ticks until another may be granted    */
byte floor;                      /* ticks for which a release does not free the ID           */
byte old_owner, old_hold, old_floor;
#if FALSE_CLAIM
byte stranger;                   /* the epoch of the third party's last grant                */
#endif
byte grace, crashes;
byte written;                    /* after a crash, how it was written since; 0: it was not   */
#define RESTORED 1
#define GRANTED 2

/* Requests: one of each client, and stragglers of anybody's. Age: client's ticks since the send. */
#define SLOTS (2 + STRAGGLER)
mtype q_verb[SLOTS]; byte q_token[SLOTS], q_age[SLOTS]; bool q_there[SLOTS];
/* Answers, one for each client. */
mtype r_verb[2]; byte r_token[2], r_age[2]; bool r_there[2], r_yes[2], r_recovering[2];

#if RANGES
/* Sets of timestamps are bits. */
#define UPTO(limit) ((1 << (limit)) - 1)
#define RANGE(low, high) (UPTO(high) & ~UPTO((low) - 1))
byte low, high;                  /* the record's reserved range                              */
byte old_low, old_high;
byte lost, promised;             /* after a crash: all that was ever promised                */
byte mine_low[2], mine_high[2];  /* the range that a client was told last                    */
byte told[2], former;            /* the sets told under a client's token, under used-up ones */
byte q_low[SLOTS], q_high[SLOTS], r_low[2], r_high[2];
#define ABOVE_ALL (((high > lost) -> high : lost) + 1)
#define ROOM (ABOVE_ALL <= LATEST)
/* Where a range begins tells which grant is later. */
#define epoch low
#define old_epoch old_low
#define mine_epoch mine_low
#define q_epoch q_low
#define r_epoch r_low
#else
byte latest;                     /* the epoch of the last grant: no crash sets it back       */
byte epoch, old_epoch;           /* the record's                                             */
byte mine_epoch[2], q_epoch[SLOTS], r_epoch[2];
#if CRASHES
/* Where the clients are alike, let the first grant be client 0's. */
#define ALIKE (TOKENS == TOKENS_1 && !COPIED)
#define ROOM (latest < EPOCHS && (latest > 0 || client_of(q_token[i]) == 0 || !ALIKE))
#else
#define ROOM true
#endif
#endif
#if ORDERED
byte begun;                      /* the epoch of the validity that began last                */
#endif

/* Where nothing is reserved or lost, resuming is the same as renewing. */
#define RESUMES (RANGES || CRASHES || STRICT)

#define token_of(c) (1 + (c) * TOKENS + next[c])
#define tokens_of(c) ((c == 0) -> TOKENS : TOKENS_1)
#define client_of(token) (token > TOKENS)
/* The copy was made when the first token of the original was used up. */
#define has_begun(c) (!COPIED || c == 0 || next[0] > 0)
#define older(age) (((age) < VALID) -> ((age) + 1) : VALID)
#define one_less(count) (((count) > 0) -> ((count) - 1) : 0)

/* How old a release is does not matter. */
inline age_request(c, slot) {
  if
  :: q_there[slot] && client_of(q_token[slot]) == c && q_verb[slot] != release -> q_age[slot] = older(q_age[slot])
  :: else -> skip
  fi
}

inline tick_client(c) {
  if
  :: left[c] = one_less(left[c]);
     age_request(c, c);
#if STRAGGLER > 0
     age_request(c, 2);
#endif
#if STRAGGLER > 1
     age_request(c, 3);
#endif
     if :: r_there[c] -> r_age[c] = older(r_age[c]) :: else -> skip fi
  :: slowed[c] < SLOW && (left[c] > 0 || q_there[c] || r_there[c] || STRAGGLER > 0) -> slowed[c]++
  :: STOPS -> skip
  fi
}

inline tick_store() {
  hold = one_less(hold); floor = one_less(floor); grace = one_less(grace);
  old_hold = one_less(old_hold); old_floor = one_less(old_floor)
}

active proctype Clock() {
  do
  :: atomic {
       tick_store();
       if :: gained < FAST && (hold > 0 || grace > 0) -> gained++; tick_store() :: true -> skip fi;
       tick_client(0); tick_client(1);
       printf("tick: client 0 holds for %d, client 1 for %d; the store keeps the ID for %d",
              left[0], left[1], hold);
       printf(", recovers for %d\n", grace) }
  od
}

inline keep_straggler(c, slot) {
  q_verb[slot] = q_verb[c]; q_token[slot] = q_token[c]; q_age[slot] = q_age[c]; q_there[slot] = true;
#if RANGES
  q_high[slot] = q_high[c];
#endif
  q_epoch[slot] = q_epoch[c]
}

inline send(c, verb) {
  if
#if STRAGGLER > 0
  :: q_there[c] -> keep_straggler(c, 2)
#endif
#if STRAGGLER > 1
  :: q_there[c] && q_there[2] -> keep_straggler(c, 3)
#endif
  :: skip
  fi;
  printf("client %d sends %e with token %d\n", c, verb, token_of(c));
#if RANGES
  if
  :: verb == release || (verb == renew && CRASHES > 0) -> q_low[c] = mine_low[c]; q_high[c] = mine_high[c]
  :: else -> q_low[c] = 0; q_high[c] = 0
  fi;
#else
  q_epoch[c] = (verb == renew -> mine_epoch[c] : 0);
#endif
  q_verb[c] = verb; q_token[c] = token_of(c); q_age[c] = 0; q_there[c] = true
}

inline use_up_token(c) {
#if RANGES
  former = former | told[c]; told[c] = 0; mine_high[c] = 0;
#endif
  granted[c] = false; next[c]++; mine_epoch[c] = 0
}

/* What the client did not use of its range goes back; the request says where the used part ends. */
inline give_back(c) {
#if RANGES
  if
  :: mine_low[c] > 0 -> told[c] = told[c] & ~RANGE(mine_low[c], mine_high[c]); mine_high[c] = mine_low[c] - 1
  :: skip
  fi
#else
  skip
#endif
}

inline take_grant(c) {
  mine_epoch[c] = r_epoch[c];
#if RANGES
  mine_high[c] = r_high[c];
  told[c] = told[c] | RANGE(mine_low[c], mine_high[c]);
  printf("client %d may use the timestamps %d to %d\n", c, mine_low[c], mine_high[c]);
  assert((RANGE(mine_low[c], mine_high[c]) & (told[1 - c] | former)) == 0)   /* disjoint */
#endif
}

inline note_begin(c) {
#if ORDERED
  if
  :: left[c] == 0 && r_age[c] < VALID ->
     printf("client %d begins a validity under epoch %d; the one before began under %d\n",
            c, r_epoch[c], begun);
     assert(begun <= r_epoch[c]);                                      /* ordered                   */
     begun = r_epoch[c]
  :: else -> skip
  fi
#else
  skip
#endif
}

active [2] proctype Client() {
  byte c = _pid - 1;
  do
  :: atomic { next[c] < tokens_of(c) && !granted[c] && has_begun(c) ->
       send(c, acquire) }                                              /* also repeated, same token */
  :: atomic { next[c] < tokens_of(c) && granted[c] ->
       if
       :: left[c] > 0 || REVIVES || !RESUMES -> send(c, renew)
       :: STRICT -> send(c, strict)
       :: else -> send(c, resume)
       fi }
  :: atomic { next[c] < tokens_of(c) && granted[c] ->                  /* stop first, then tell     */
#ifndef M_RELEASE_BEFORE_STOP
       left[c] = 0;
#endif
       give_back(c); send(c, release); use_up_token(c) }
#ifdef M_RELEASE_BEFORE_STOP
  :: atomic { left[c] > 0 && !granted[c] -> left[c] = 0 }
#endif
  :: atomic { next[c] < tokens_of(c) && !granted[c] -> use_up_token(c) }              /* give up    */
  :: atomic { TAKEOVER && next[c] < tokens_of(c) && granted[c] -> left[c] = 0; use_up_token(c) }  /* crash */
  :: atomic { r_there[c] ->
       if
       :: next[c] < tokens_of(c) && r_token[c] == token_of(c) && r_yes[c] ->
          if
          :: r_verb[c] == acquire && r_age[c] >= VALID -> skip         /* never held: ask again     */
          :: (r_verb[c] != acquire || r_age[c] < VALID) &&
             (left[c] > 0 || REVIVES ||
              (!r_recovering[c] && (r_verb[c] != renew || !RESUMES || TAKES_LATE))) ->
             granted[c] = true; note_begin(c);
#ifdef M_COUNT_FROM_THE_ANSWER
             left[c] = VALID;
#else
             if :: VALID - r_age[c] > left[c] -> left[c] = VALID - r_age[c] :: else -> skip fi;
#endif
             printf("client %d is answered after %d: it holds for %d, the other for %d\n",
                    c, r_age[c], left[c], left[1 - c]);
             assert(!(left[0] > 0 && left[1] > 0));                    /* exclusive                 */
             take_grant(c)
          :: else -> skip              /* R3; and what is over comes back by strict or resume only  */
          fi
              /* Who renews strictly may not know what the holder knows: a refusal ends no validity. */
       :: next[c] < tokens_of(c) && r_token[c] == token_of(c) && !r_yes[c] && granted[c] &&
          (r_verb[c] != strict || left[c] == 0) ->
          printf("client %d has lost the ID\n", c);
#if ORDERED
          assert(left[c] == 0 || mine_epoch[c] < latest);              /* kept                      */
#endif
          left[c] = 0; use_up_token(c)
       :: else -> skip
       fi;
       r_there[c] = false; r_verb[c] = acquire; r_token[c] = 0; r_age[c] = 0; r_yes[c] = false;
#if RANGES
       r_high[c] = 0;
#endif
       r_epoch[c] = 0; r_recovering[c] = false }
  od
}

/* The newest answer takes the place of one that was not read. A refusal has no age. */
inline answer(yes) {
  to = client_of(q_token[i]);
  r_epoch[to] = (yes -> epoch : 0);
#if RANGES
  r_high[to] = (yes -> high : 0);
  if :: yes && CRASHES > 0 && high > promised -> promised = high :: else -> skip fi;
#endif
  r_verb[to] = q_verb[i]; r_token[to] = q_token[i]; r_age[to] = (yes -> q_age[i] : VALID); r_yes[to] = yes;
  r_recovering[to] = (yes && grace > 0); r_there[to] = true; to = 0
}

inline extend() {
  hold = LEASE + DELAY
}

inline write(new_owner, how) {
  owner = new_owner; written = (crashes > 0 -> how : 0); extend()
}

inline reserve_anew() {
#if RANGES
#ifdef M_RANGE_FROM_THE_CLOCK
  low = 1;
#else
  low = ABOVE_ALL;
#endif
  high = low
#elif CRASHES
  latest++; epoch = latest
#else
  skip
#endif
}

inline grant(new_owner) {
  reserve_anew(); write(new_owner, GRANTED)
}

/* By a tick of the client's wall clock, or not at all. */
inline extend_range() {
#if RANGES
#ifdef M_RENEWAL_LOWERS_LIMIT
  if :: high < LATEST -> high++ :: high = low fi
#else
  if :: high < LATEST -> high++ :: skip fi
#endif
#else
  skip
#endif
}

inline restore() {
  epoch = q_epoch[i]; write(q_token[i], RESTORED);
#if RANGES
  if :: q_high[i] > high -> high = q_high[i] :: else -> skip fi
#endif
}

inline settle() {                                          /* the request is gone, or stays as its duplicate */
  if
  :: q_there[i] = false; q_token[i] = 0; q_age[i] = 0; q_verb[i] = acquire; q_epoch[i] = 0;
#if RANGES
     q_high[i] = 0
#endif
  :: skip
  fi
}

inline remember() {                                        /* whether it is durable          */
  if
  :: crashes < CRASHES -> old_owner = owner; old_hold = hold; old_floor = floor; old_epoch = epoch;
#if RANGES
     old_high = high
#endif
  :: true -> skip
  fi
}

active proctype Store() {
  byte i, to;
  do
  :: atomic {
       if
       :: q_there[0] -> i = 0
       :: q_there[1] -> i = 1
#if STRAGGLER > 0
       :: q_there[2] -> i = 2
#endif
#if STRAGGLER > 1
       :: q_there[3] -> i = 3
#endif
       fi;
       if
       :: q_verb[i] == acquire ->
          if
          :: grace == 0 && owner == q_token[i] && !FORMER -> extend(); answer(true)   /* the same grant */
          :: grace == 0 && owner == q_token[i] && FORMER && ROOM ->                         /* R5 */
             grant(q_token[i]); answer(true)
          :: grace == 0 && owner != q_token[i] && hold == 0 && ROOM ->
             grant(q_token[i]); answer(true)
          :: TAKEOVER && grace == 0 && owner != q_token[i] && hold > 0 && owner > 0 &&
             NAMES(q_token[i], owner) && ROOM ->                                            /* R7 */
             floor = FLOOR_OF_TAKEOVER; grant(q_token[i]); answer(true)                     /* R8 */
          :: else -> skip                                  /* all taken, or R1: ask again   */
          fi
       :: q_verb[i] == renew ->
          if
          :: owner == q_token[i] || RENEWS_ANY ->
             if
             :: OLDER_GRANT -> restore()                                                    /* R6 */
             :: !OLDER_GRANT && HELD_WRITES -> write(owner, GRANTED)
             :: else -> extend()
             fi;
             extend_range(); answer(true)
          :: owner != q_token[i] && !RENEWS_ANY && grace > 0 && MAY_REPLACE(q_epoch[i]) ->
             floor = FLOOR_OF_RESTORATION;                                                  /* R8 */
             restore(); answer(true)                                                        /* R2 */
          :: ZOMBIE && crashes > 0 && owner != q_token[i] -> answer(true)
          :: else -> answer(false)
          fi
       :: q_verb[i] == strict ->
          if
          :: grace > 0 -> skip                             /* to be repeated (R3)           */
          :: grace == 0 && owner == q_token[i] && hold > DELAY && (crashes == 0 || STRICT_BELIEVED) ->
             extend(); extend_range(); answer(true)
          :: else -> answer(false)
          fi
       :: q_verb[i] == resume ->
          if
          :: grace > 0 -> skip                             /* to be repeated (R3)           */
          :: grace == 0 && owner == q_token[i] && ROOM ->
#ifdef M_RESUME_KEEPS_RANGE
             write(owner, GRANTED);
#else
             grant(owner);
#endif
             extend_range(); answer(true)
          :: grace == 0 && owner == q_token[i] && !ROOM -> skip
          :: grace == 0 && owner != q_token[i] && RENEWS_ANY -> extend(); answer(true)
          :: else -> answer(false)
          fi
       :: q_verb[i] == release ->
          if
          :: owner == q_token[i] || RELEASES_ANY -> owner = 0; hold = floor;                /* R8 */
#if RANGES
#ifdef M_RELEASE_GIVES_ALL_BACK
             high = low - 1
#else
             if :: q_low[i] == low && q_high[i] < high -> high = q_high[i] :: else -> skip fi
#endif
#endif
          :: else -> skip
          fi
       fi;
       remember();
       printf("the store did %e of token %d: token %d owns the ID, kept for %d\n",
              q_verb[i], q_token[i], owner, hold);
       settle(); i = 0 }
#if FALSE_CLAIM
  /* The third party holds for no time: it believes nothing, but others must not suffer. */
  :: atomic { grace == 0 && owner > 0 && hold > 0 && ROOM ->
       floor = FLOOR_OF_TAKEOVER; grant(0); hold = floor; stranger = epoch;
       remember();
       printf("a third party took the ID over and released it: kept for %d\n", hold) }
  :: atomic { grace > 0 && stranger > 0 && MAY_REPLACE(stranger) ->
       floor = FLOOR_OF_RESTORATION; epoch = stranger; write(0, RESTORED); hold = floor;
       remember();
       printf("a third party restored its ID and released it: kept for %d\n", hold) }
#endif
  :: atomic { crashes < CRASHES ->
       crashes++; grace = GRACE; written = 0;
       owner = old_owner; hold = old_hold; floor = old_floor; epoch = old_epoch;
#if RANGES
       high = old_high;
#ifndef M_FORGET_LOST_RANGES
       lost = promised;
#endif
#endif
       if
       :: crashes == CRASHES -> old_owner = 0; old_hold = 0; old_floor = 0; old_epoch = 0;
#if RANGES
          old_high = 0
#endif
       :: else -> skip
       fi;
       printf("THE STORE CRASHES and remembers token %d, kept for %d; it recovers for %d\n", owner, hold, grace) }
  od
}
