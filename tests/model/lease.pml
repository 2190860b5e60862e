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
// in recovery for GRACE ticks, in which (R1) nothing is granted, (R2) who holds re-registers, unless
// another already did, (R3) nobody gets back what has lapsed, and (R4) records keep their holders.
// For the ranges, later grants lie above all that may have been forgotten, and (R5) repeating an
// acquisition whose record is of a former incarnation gives a new range, (R6) renewing a record that
// is of an earlier grant than the holder's, though under its token, puts the holder's range there.
//
// Two things must hold, always:
//   exclusive   never do both clients hold the ID, each by its own clock (G1)
//   disjoint    with RANGES, no timestamp is ever in the ranges of two acquisitions (G8): as ranges
//               grow upwards, a successor's first lies above every limit that anybody was told
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
#ifndef TOKENS
#define TOKENS 1      /* acquisitions of each client, each with a token of its own           */
#endif
#ifndef STRAGGLER
#define STRAGGLER 0   /* 1: one older request may arrive after a newer one                   */
#endif
#ifndef RANGES
#define RANGES 0      /* 1: timestamps are reserved                                          */
#endif
#ifndef LATEST
#define LATEST 4      /* timestamps are 1 to LATEST, 7 at the most                           */
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
#ifdef M_TAKE_CONFIRMED
#define TAKES_CONFIRMED true
#else
#define TAKES_CONFIRMED false
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

/* renew: from a client that holds. resume: from one whose validity is over, a new grant if it gets one. */
mtype = { acquire, renew, resume, release };

/* Clients. */
byte left[2];                    /* ticks for which it holds the ID; 0: it does not          */
byte slowed[2], gained;
byte next[2];                    /* how many of its tokens are used up                       */
bool granted[2];

/* The store's record; what a crash falls back to; the time without grants. */
byte owner, hold;                /* token, 0 for none; ticks until another may be granted    */
byte old_owner, old_hold;
byte grace, crashes;
bool confirmed;                  /* the record was written in this incarnation               */

/* Requests: one of each client, one straggler of anybody's. Age: client's ticks since the send. */
mtype q_verb[3]; byte q_token[3], q_age[3]; bool q_there[3];
/* Answers, one for each client. */
mtype r_verb[2]; byte r_token[2], r_age[2]; bool r_there[2], r_yes[2], r_recovering[2];

#if RANGES
/* Sets of timestamps are bits. */
#define UPTO(limit) ((1 << (limit)) - 1)
#define RANGE(low, high) (UPTO(high) & ~UPTO((low) - 1))
byte low, high;                  /* the record's reserved range                              */
byte old_low, old_high;
byte floor, promised;            /* after a crash: above all that was ever promised          */
byte mine_low[2], mine_high[2];  /* the range that a client was told last                    */
byte told[2], former;            /* the sets told under a client's token, under used-up ones */
byte q_low[3], q_high[3], r_low[2], r_high[2];
#define ABOVE_ALL (((high > floor) -> high : floor) + 1)
#define ROOM (ABOVE_ALL <= LATEST)
/* The record's range is of a former incarnation: grants above it may have been forgotten. */
#ifdef M_REPEAT_FORMER_RANGE
#define LOST_BELOW false
#else
#define LOST_BELOW (low <= floor)
#endif
/* The record is of an earlier grant under the same token than the holder's. */
#ifdef M_RENEW_OLDER_GRANT
#define OLDER_GRANT false
#else
#define OLDER_GRANT (q_low[i] > low)
#endif
#else
#define OLDER_GRANT false
#define ROOM true
#define LOST_BELOW false
#endif

/* Where nothing is reserved or lost, resuming is the same as renewing. */
#define RESUMES (RANGES || CRASHES)

#define token_of(c) (1 + (c) * TOKENS + next[c])
#define client_of(token) (((token) - 1) / TOKENS)
#define older(age) (((age) < VALID) -> ((age) + 1) : VALID)
#define one_less(count) (((count) > 0) -> ((count) - 1) : 0)

inline tick_client(c) {
  if
  :: left[c] = one_less(left[c]);
     if :: q_there[c] -> q_age[c] = older(q_age[c]) :: else -> skip fi;
     if :: q_there[2] && client_of(q_token[2]) == c -> q_age[2] = older(q_age[2]) :: else -> skip fi;
     if :: r_there[c] -> r_age[c] = older(r_age[c]) :: else -> skip fi
  :: slowed[c] < SLOW && (left[c] > 0 || q_there[c] || r_there[c] || q_there[2]) -> slowed[c]++
  :: STOPS -> skip
  fi
}

inline tick_store() {
  hold = one_less(hold); grace = one_less(grace); old_hold = one_less(old_hold)
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

inline send(c, verb) {
  if
  :: STRAGGLER && q_there[c] ->
     if
     :: q_verb[2] = q_verb[c]; q_token[2] = q_token[c]; q_age[2] = q_age[c]; q_there[2] = true;
#if RANGES
        q_low[2] = q_low[c]; q_high[2] = q_high[c]
#endif
     :: skip
     fi
  :: else -> skip
  fi;
  printf("client %d sends %e with token %d\n", c, verb, token_of(c));
#if RANGES
  if
  :: verb == release || (verb == renew && CRASHES > 0) -> q_low[c] = mine_low[c]; q_high[c] = mine_high[c]
  :: else -> q_low[c] = 0; q_high[c] = 0
  fi;
#endif
  q_verb[c] = verb; q_token[c] = token_of(c); q_age[c] = 0; q_there[c] = true
}

inline use_up_token(c) {
  granted[c] = false; next[c]++;
#if RANGES
  former = former | told[c]; told[c] = 0; mine_low[c] = 0; mine_high[c] = 0
#endif
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

inline take_range(c) {
#if RANGES
  mine_low[c] = r_low[c]; mine_high[c] = r_high[c];
  told[c] = told[c] | RANGE(mine_low[c], mine_high[c]);
  printf("client %d may use the timestamps %d to %d\n", c, mine_low[c], mine_high[c]);
  assert((RANGE(mine_low[c], mine_high[c]) & (told[1 - c] | former)) == 0)   /* disjoint */
#else
  skip
#endif
}

active [2] proctype Client() {
  byte c = _pid - 1;
  do
  :: atomic { next[c] < TOKENS && !granted[c] -> send(c, acquire) }   /* also repeated, same token */
  :: atomic { next[c] < TOKENS && granted[c] ->
       if :: left[c] > 0 || REVIVES || !RESUMES -> send(c, renew) :: else -> send(c, resume) fi }
  :: atomic { next[c] < TOKENS && granted[c] ->                        /* stop first, then tell     */
#ifndef M_RELEASE_BEFORE_STOP
       left[c] = 0;
#endif
       give_back(c); send(c, release); use_up_token(c) }
#ifdef M_RELEASE_BEFORE_STOP
  :: atomic { left[c] > 0 && !granted[c] -> left[c] = 0 }
#endif
  :: atomic { next[c] < TOKENS && !granted[c] -> use_up_token(c) }     /* give up                   */
  :: atomic { r_there[c] ->
       if
       :: next[c] < TOKENS && r_token[c] == token_of(c) && r_yes[c] ->
          if
          :: left[c] > 0 || REVIVES || (!r_recovering[c] && (r_verb[c] != renew || !RESUMES || TAKES_LATE)) ->
             granted[c] = true;
#ifdef M_COUNT_FROM_THE_ANSWER
             left[c] = VALID;
#else
             if :: VALID - r_age[c] > left[c] -> left[c] = VALID - r_age[c] :: else -> skip fi;
#endif
             printf("client %d is answered after %d: it holds for %d, the other for %d\n",
                    c, r_age[c], left[c], left[1 - c]);
             assert(!(left[0] > 0 && left[1] > 0));                    /* exclusive                 */
             take_range(c)
          :: else -> skip                          /* R3; and what is over comes back by resume only */
          fi
       :: next[c] < TOKENS && r_token[c] == token_of(c) && !r_yes[c] && granted[c] ->
          printf("client %d has lost the ID\n", c);
          left[c] = 0; use_up_token(c)
       :: else -> skip
       fi;
       r_there[c] = false; r_verb[c] = acquire; r_token[c] = 0; r_age[c] = 0; r_yes[c] = false;
#if RANGES
       r_low[c] = 0; r_high[c] = 0;
#endif
       r_recovering[c] = false }
  od
}

/* The newest answer takes the place of one that was not read. */
inline answer(yes) {
  to = client_of(q_token[i]);
#if RANGES
  if
  :: yes -> r_low[to] = low; r_high[to] = high; if :: CRASHES > 0 && high > promised -> promised = high :: else -> skip fi
  :: !yes -> r_low[to] = 0; r_high[to] = 0
  fi;
#endif
  r_verb[to] = q_verb[i]; r_token[to] = q_token[i]; r_age[to] = q_age[i]; r_yes[to] = yes;
  r_recovering[to] = (grace > 0); r_there[to] = true; to = 0
}

inline write(new_owner) {
  owner = new_owner; hold = LEASE + DELAY; confirmed = (CRASHES > 0)
}

inline reserve_anew() {
#if RANGES
#ifdef M_RANGE_FROM_THE_CLOCK
  low = 1;
#else
  low = ABOVE_ALL;
#endif
  high = low
#else
  skip
#endif
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

inline restore_range() {
#if RANGES
  low = q_low[i];
  if :: q_high[i] > high -> high = q_high[i] :: else -> skip fi
#else
  skip
#endif
}

inline settle() {                                          /* the request is gone, or stays as its duplicate */
  if
  :: q_there[i] = false; q_token[i] = 0; q_age[i] = 0; q_verb[i] = acquire;
#if RANGES
     q_low[i] = 0; q_high[i] = 0
#endif
  :: skip
  fi
}

active proctype Store() {
  byte i, to;
  do
  :: atomic {
       if :: q_there[0] -> i = 0 :: q_there[1] -> i = 1 :: q_there[2] -> i = 2 fi;
       if
       :: q_verb[i] == acquire ->
          if
          :: grace == 0 && owner == q_token[i] && !LOST_BELOW -> write(q_token[i]); answer(true)
          :: grace == 0 && owner == q_token[i] && LOST_BELOW && ROOM ->   /* R5: the grant is repeated, its range is not */
             reserve_anew(); write(q_token[i]); answer(true)
          :: grace == 0 && owner != q_token[i] && hold == 0 && ROOM ->
             reserve_anew(); write(q_token[i]); answer(true)
          :: else -> answer(false)                         /* all taken, or R1              */
          fi
       :: q_verb[i] == renew ->
          if
          :: owner == q_token[i] || RENEWS_ANY ->
             if :: OLDER_GRANT -> restore_range() :: else -> skip fi;                       /* R6 */
             extend_range(); write(owner); answer(true)
          :: owner != q_token[i] && !RENEWS_ANY && grace > 0 && (!confirmed || hold == 0 || TAKES_CONFIRMED) ->
             restore_range(); write(q_token[i]); answer(true)                               /* R2 */
          :: ZOMBIE && crashes > 0 && owner != q_token[i] -> answer(true)
          :: else -> answer(false)
          fi
       :: q_verb[i] == resume ->
          if
          :: grace > 0 -> skip                             /* to be repeated (R3)           */
          :: grace == 0 && owner == q_token[i] && ROOM ->
#ifndef M_RESUME_KEEPS_RANGE
             reserve_anew();
#endif
             extend_range(); write(owner); answer(true)
          :: grace == 0 && owner != q_token[i] && RENEWS_ANY -> write(owner); answer(true)
          :: else -> answer(false)
          fi
       :: q_verb[i] == release ->
          if
          :: owner == q_token[i] || RELEASES_ANY -> owner = 0; hold = 0;
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
       if                                                  /* whether it is durable         */
       :: crashes < CRASHES -> old_owner = owner; old_hold = hold;
#if RANGES
          old_low = low; old_high = high
#endif
       :: true -> skip
       fi;
       printf("the store did %e of token %d: token %d owns the ID, kept for %d\n",
              q_verb[i], q_token[i], owner, hold);
       settle(); i = 0 }
  :: atomic { crashes < CRASHES ->
       crashes++; owner = old_owner; hold = old_hold; grace = GRACE; confirmed = false;
#if RANGES
       low = old_low; high = old_high;
#ifndef M_NO_FLOOR
       floor = promised;
#endif
#endif
       if
       :: crashes == CRASHES -> old_owner = 0; old_hold = 0;
#if RANGES
          old_low = 0; old_high = 0
#endif
       :: else -> skip
       fi;
       printf("THE STORE CRASHES and remembers token %d, kept for %d; it recovers for %d\n", owner, hold, grace) }
  od
}
