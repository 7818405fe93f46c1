//! All coverage marks of the core: one line for what the branch means, and for those that the
//! simulator is not asked to reach the reason why. A test reaches them instead (see [`super`]).

with_oauth! { with_run; marks;
    // --- connections and requests over HTTP ---

    /// One address has as many connections as it may.
    PeerConnectionsFull,
    /// There are as many connections as there may be.
    ConnectionsFull = "4096 connections for one seed",
    /// A request head did not come in time.
    SlowHead,
    /// A request body did not come in time.
    SlowBody,
    /// A peer did not close after our last byte.
    LingerOver,
    /// A peer took no byte for too long.
    WriteStalled,
    /// A body beyond the limit.
    BodyTooLong,
    /// A head beyond the limit.
    HeadTooLong,
    /// Too much waits behind a request: the connection is not read.
    PipelinePaused,
    /// A peer that reads too little is not read either.
    UnreadAnswersStopReading,
    /// A peer closed its half while its request is worked on.
    HalfClosedBeforeAnswer,
    /// A request came while we leave.
    RequestWhileStopping,

    // --- clients and what they say ---

    /// Nobody used a session for long.
    SessionIdleEnds,
    /// A session ended while its requests waited.
    SessionEndsWithRequests,
    /// The session that was unused for longest made room.
    SessionMakesRoom = "10 000 sessions for one seed",
    /// All sessions are in use.
    SessionsFull = "10 000 sessions for one seed",
    /// A request with the id of one that is open.
    IdInUse,
    /// A client has as many requests open as it may.
    CallsFull,
    /// A request before `initialize`.
    BeforeInitialize,
    /// A client says `initialize` once more.
    InitializeAgain,
    /// A message of `/messages` is refused on the event stream.
    MessageRefusedOnStream,
    /// A batch of more messages than there may be.
    BatchTooLong,
    /// A batch with something that is no message, or none that can be taken.
    BatchWithFault,
    /// `initialize` in a batch.
    BatchedInitialize,
    /// Something had to be told before the answers of a batch.
    BatchBecomesEvents,
    /// A line on our stdin beyond the limit.
    ClientLineTooLong = "32 MiB for one line",
    /// Our stdin has as many requests open as it may.
    StdinPaused,
    /// Our stdout is not read, so neither is our stdin.
    StdinPausedUnread,

    // --- event streams and what waits for them ---

    /// A session has as many streams as it may.
    StreamsFull = "each stream has a request, and of those there are fewer",
    /// An event stream was open for as long as it may.
    StreamClosedEarly,
    /// The rest of a POST is asked for.
    StreamResumed,
    /// It is asked for while its old connection is still there.
    StreamTakenOver,
    /// The rest of a POST that is over is asked for.
    FinishedStreamReplayed,
    /// It is asked for by a client that has all of it.
    NothingToReplay,
    /// A second GET stream took the place of the first.
    MainStreamReplaced,
    /// The GET stream goes on where it was cut.
    MainStreamReplayed,
    /// An event id that we do not know (any more).
    EventUnknown,
    /// A stream has as many events kept as it may: the oldest goes.
    ReplayStreamFull,
    /// A session has as many bytes kept as it may: the oldest event goes.
    ReplayBytesFull = "64 MiB for one session",
    /// A kept event is too old.
    ReplayExpires,
    /// An answer came while its stream had no connection.
    AnswerDetached,
    /// An answer came that nobody can ever read.
    AnswerOrphaned,
    /// A cancelled request had no response yet.
    CancelledUnanswered,
    /// A client reads too slowly for notes.
    NoteDropped,
    /// A client reads so slowly that its link was closed.
    ClientTooSlow = "128 MiB of unsent bytes",
    /// What changed once more before anybody listened is told once.
    UndeliveredOnce,
    /// As much as may waits for the GET stream: the oldest goes.
    UndeliveredFull,
    /// A message finds no room among the questions that wait for the GET stream.
    UndeliveredQuestionsFull,
    /// A message was too long to wait for the GET stream.
    UndeliveredBytesFull,
    /// There are too many event streams to comment on in one turn.
    KeepAliveSliced = "257 event streams for one seed",

    // --- calls ---

    /// A server did not answer a client in time.
    CallTimesOut,
    /// A server did not answer us in time.
    ListTimesOut,
    /// A call past its first deadline showed signs of life.
    DeadlineRenewed,
    /// A call past its deadline goes on while a person is asked.
    DeadlinePostponed,
    /// A call had told progress for as long as it may.
    ProgressForTooLong = "six hours of progress",
    /// An answer came that nobody waits for (any more).
    AnswerToNobody,
    /// The answer to a call was a line beyond the limit.
    AnswerTooLong = "32 MiB for one line",
    /// A server went down while it worked for clients.
    CallsFailWithServer,
    /// A session was stopped while it worked for clients.
    ReloadDuringCall,
    /// A client cancelled a call that its server works on.
    CancelledInFlight,
    /// A client cancelled a call that waited for its server.
    CancelledParked,
    /// A client cancelled a list that waited for servers.
    CancelledWaiting,
    /// A client cancelled what was over.
    CancelledTooLate,
    /// As many calls as may wait for one server.
    ParkedFull,
    /// A call waited for its server for as long as it may.
    ParkedExpires,
    /// The server that a call waited for did not come up.
    ParkedRefused,
    /// A call waits since a question is held in its session.
    ParkedByHeldAsk,
    /// A server answered a call that was given up.
    GhostAnswered,
    /// A call that was given up makes a question nobody's.
    GhostCounts,
    /// More calls were given up in one session than are remembered.
    GhostsFull,
    /// No server knows a URI.
    ReadSearchedInVain,
    /// Who answered a URI that nobody lists is forgotten.
    AnsweredUrisFull = "257 different URIs for one seed",
    /// A result has what the client's revision does not.
    ResultDowngraded,

    // --- questions of servers ---

    /// A question with no call in flight.
    AskOfNobody,
    /// A question with calls of one client in flight.
    AskAttributed,
    /// A question that came on the stream of one call.
    AskOnStream = "remote servers are looked for by stories of their own",
    /// A question with calls of several clients in flight.
    AskHeld,
    /// As many questions as may are held in one session.
    HeldFull,
    /// A held question can be attributed.
    HeldAskReleased,
    /// A held question was held for as long as it may.
    HeldAskExpires,
    /// A server takes a held question back.
    HeldAskWithdrawn,
    /// A question in a session that was told that nobody can be asked.
    AskUnlured,
    /// A question to a client whose input has ended.
    AskClientDeaf,
    /// A question that its client did not declare.
    AskUndeclared,
    /// A client has as many questions as it may.
    AsksFull,
    /// A question that the client's revision has no words for.
    AskInexpressible,
    /// A server without sessions asks a client that has one.
    RoundBegins,
    /// A call is made again, with answers.
    RoundEnds,
    /// A server without sessions asks what it may not, or in no form that is known.
    RoundRefused,
    /// A server without sessions asks too much at once.
    RoundQuestionsFull = "dozens of questions in one result",
    /// A server without sessions asks the same again whatever it is answered.
    RoundsLeadNowhere = "no question of the simulator is asked twice",
    /// The answers are too long together.
    RoundTooLong = "16 MiB of answers",
    /// No more is kept for calls that may have to be made again.
    RoundsFull = "64 MiB of requests",
    /// A client does not answer a server without sessions.
    RoundRefusedByClient,
    /// A result of a server without sessions is of no known kind.
    ResultUnreadable,
    /// A structured content becomes text for a client whose revision knows objects only.
    StructuredToText = "results of the simulator have no structured content",
    /// A question comes on the stream of another call.
    AskElsewhere,
    /// A question has no stream to come on.
    AskNowhere,
    /// A client did not answer a question for as long as it may.
    AskExpires,
    /// A server takes back what a client was asked.
    AskWithdrawn,
    /// A server went down while a client was asked.
    AskDiesWithServer,
    /// A client is gone without an answer to its questions.
    AskedClientLeaves,
    /// A client tells how far it is with a question.
    AskProgress,
    /// A client answers what it was not asked, or once more.
    AnswerUnasked,
    /// The end of an elicitation is told to who was asked.
    ElicitationEnds,
    /// More ends of elicitations are awaited than are remembered.
    ElicitationsFull,

    // --- calls that wait for their client between two rounds ---

    /// An error that asks for a visit to a URL became questions.
    ElicitedFirst,
    /// A question waits to be given in the answer to a call.
    SuspendAsked,
    /// A question came for a client that has no call which it could be the answer to.
    SuspendOutside = "a question about nothing at the moment between two rounds",
    /// As many calls, or bytes of them, as may wait for their clients.
    SuspendFull = "256 calls for one seed",
    /// A client has as many questions as it may.
    SuspendQuestionsFull,
    /// A server takes back what a client is to be asked.
    SuspendWithdrawn,
    /// The same retry came once more.
    SuspendAgain,
    /// A retry came that nobody waits for any more.
    SuspendStale,
    /// The same retry came too often.
    SuspendWaitersFull = "one retry many times at once",
    /// A retry declared less than what its call is asked for.
    SuspendUndeclared = "a retry that declares less than its call did, drawn once in 300 seeds",
    /// A server answered while its client was away.
    SuspendOutcomeKept,
    /// The client came for what its server had answered meanwhile.
    SuspendOutcomeFetched,
    /// A client hung up while the same retry waits elsewhere.
    SuspendHandedOver = "one of two equal retries hangs up",
    /// A client hung up while its call was suspended.
    SuspendLeft,
    /// A client did not come back.
    SuspendExpires = "a server that asks and waits for ten minutes, drawn too rarely",
    /// What was told made room for a question.
    SuspendForgetsTold = "64 MiB for one seed",
    /// One of several calls behind our stdin was answered with a question.
    SuspendOnePerson = "several calls without a session on one pipe, drawn too rarely",

    // --- sessions with servers, subscriptions, logs ---

    /// A server asks: the asked client keeps the common child.
    IsolationKeepsChild,
    /// A server asks: the asked call keeps the common child.
    IsolationLeasesChild,
    /// A free session of other capabilities makes room for one that is needed.
    LeaseReplaced,
    /// A server asks: the common child is to end.
    IsolationRetires,
    /// A session on its way out ended with its last call.
    RetiredEnds,
    /// A session of one client had nothing to do for long.
    PrivateIdleEnds,
    /// As many clients as may have a session of their own.
    PrivatesFull = "65 clients for one seed",
    /// A client has as many subscriptions as it may.
    SubscriptionsFull = "1025 subscriptions of one client",
    /// Who listens moves to another session.
    SubscriptionMoves,
    /// A session that came up is told what is listened to.
    SubscriptionRenewed,
    /// A subscription was granted by a session on its way out.
    SubscriptionOutlivesSession,
    /// The last listener leaves while another one begins.
    UnsubscribeOvertaken,
    /// A log message that could be for several clients, or none.
    LogOfNobody,

    // --- lists, names, configuration ---

    /// It waited for as long as it may.
    ListWaitOver,
    /// A server's first list is not the remembered one.
    RememberedListStale,
    /// A record of the state directory cannot be read.
    RecordDamaged,
    /// A list changed right after it was fetched.
    RefetchPauses,
    /// A list changed while it was fetched.
    FetchStale,
    /// A list could not be had and is asked for again.
    ListRetried,
    /// A list has more pages or entries than are fetched.
    ListTooLong = "a thousand pages",
    /// A server is to be kept alive by other rules.
    ServerRules,

    // --- children ---

    /// A child could not be started.
    SpawnFails,
    /// A child came up that nobody wants any more.
    SpawnUnwanted,
    /// A child came up whose session is gone.
    SpawnForNobody = "a session stays until its spawn was answered",
    /// As many servers as may are starting.
    StartsQueued,
    /// A session was stopped before its turn to start.
    StoppedInQueue,
    /// A server has used up its place among those that start.
    SlowStart,
    /// A server named another revision in its refusal.
    HandshakeAgain,
    /// A server cannot be spoken with.
    HandshakeRefused,
    /// A server did not finish its handshake in time.
    HandshakeTimesOut,
    /// A server went down in its handshake.
    HandshakeDies,
    /// A server asks something before it has answered `initialize`.
    HandshakeAsks,
    /// A server answered `initialize` once more.
    HandshakeTwice,
    /// A server did not answer the question for its era in time.
    ProbeTimesOut,
    /// A server answered that question after it was sent `initialize`.
    ProbeAnsweredLate,
    /// A server died of that question, and is started again at once.
    ProbeKills,
    /// A server that is known not to answer that question refused `initialize`.
    ProbeAfterInitialize,
    /// A server without sessions wrote a request.
    ModernAsks,
    /// A change was told on no stream of ours.
    ChangeUntagged,
    /// A server did not acknowledge a stream in time.
    ListenUnacknowledged,
    /// A stream ended, and another is opened.
    ListenReopened,
    /// A stream took the place of another without a gap.
    ListenReplaced,
    /// A server knows no streams.
    ListenUnknown,
    /// A server that had sessions of single clients turns out to need none.
    SessionsMerge = "a server that changes its era between two runs",
    /// Clients listen to as many resources of a server without sessions as they may.
    WatchedFull = "thousands of resources of one server",
    /// A server without sessions will not tell of a resource.
    WatchRefused,
    /// A server died so often that the pause grows no more.
    BackoffLongest,
    /// A server died once too often.
    GivenUp,
    /// A server served for long before it died.
    StrikesForgiven,
    /// A child closed its output and lives on.
    ChildMute,
    /// A child that is to end ignores the end of its input.
    StopTerms,
    /// It ignores SIGTERM too.
    StopKills,
    /// A child that is ending gets less time.
    StopHurries,
    /// A child is dead, and somebody else holds its output open.
    PipeHeld,
    /// A child lives on after SIGKILL.
    ChildSurvivesKill = "a child of the simulator always dies of SIGKILL",
    /// An answer was in the pipe when its server died.
    AnswerWhileClosing,
    /// A child does not read.
    ChildOutboxFull = "64 MiB of unsent bytes",
    /// A line of a child that is no message.
    GarbageLine,
    /// A line of a child beyond the limit.
    ServerLineTooLong = "32 MiB for one line",
    /// A batch of a child with more messages than there may be.
    ServerBatchTooLong,
    /// A child writes more to its stderr than is logged.
    StderrFlood,
    /// A child wrote more to its stderr than is kept.
    StderrForgotten,

    /// A session over HTTP has as many notifications under way as it may.
    RemoteTellsFull = "looked for by an ordinary test",
    /// A session over HTTP holds as many bytes of unfinished messages as it may.
    RemoteHeldFull = "64 MiB of unfinished messages",
    /// A request to a modern server was cancelled: its exchange is given up.
    RemoteCancelCloses,
    /// A server did not know our session any more.
    SessionRenewed,
    /// A server forgets its sessions before they are of any use.
    SessionNeverProved,
    /// A server is of another era than before.
    RemoteEraChanged = "looked for by an ordinary test",
    /// An answer came on the exchange of another request.
    AnswerElsewhere,
    /// An answer to what was never asked.
    AnswerOfNothing,
    /// The GET stream was opened again, and something may have been missed.
    EarsMissed = "looked for by an ordinary test",
    /// An event stream goes on behind its answer.
    StreamLingers = "looked for by an ordinary test",
    /// The rest of an answer that broke off is asked for.
    CallResumed,
    /// A server refused the header fields of a call: its tools are listed anew.
    CallAwaitsList = "remote servers are looked for by stories of their own",
    /// Tools that say wrongly which header fields they want.
    ToolsUnfit = "remote servers are looked for by stories of their own",
    /// A stream of 2024-11-05 did not say where to send messages.
    EndpointNeverNamed = "remote servers are looked for by stories of their own",
    /// It named a place of another origin.
    EndpointElsewhere = "remote servers are looked for by stories of their own",
    /// It named another place later.
    EndpointMoved = "remote servers are looked for by stories of their own",
    /// What refuses Streamable HTTP is tried with the transport before it.
    FallsBackToSse = "remote servers are looked for by stories of their own",
    /// What has no stream of the older transport is tried with the newer one.
    FallsForwardFromSse = "remote servers are looked for by stories of their own",
    /// A message was sent to a session that its server does not know any more.
    PostSessionGone = "remote servers are looked for by stories of their own",
    /// A stream broke off and could not be had again.
    ResumeGivenUp = "remote servers are looked for by stories of their own",

    // --- exchanges with servers of others ---

    /// An order waits for a place at its origin.
    FetchWaits = "exchanges are looked for by stories of their own",
    /// An order finds no place, not even to wait.
    FetchBusy = "exchanges are looked for by stories of their own",
    /// A request is sent once more: its kept connection was dead.
    FetchRepeats = "exchanges are looked for by stories of their own",
    /// A server says farewell to a kept connection on which a request is about to leave.
    FetchFarewell = "exchanges are looked for by stories of their own",
    /// A redirect is followed.
    FetchRedirected,
    /// Nobody takes the bytes of a stream: it is not read.
    FetchUntaken = "exchanges are looked for by stories of their own",
    /// A connection opened that nobody waits for any more.
    FetchOpenedLate,

    // --- tasks ---

    /// There are as many tasks as there may be.
    TasksFull = "1024 tasks of one client",
    /// A client names a task that is not its own, or no more.
    TaskUnknown = "tasks are looked for by stories of their own",
    /// A call becomes a task that its client does not know of.
    TaskDriven = "tasks are looked for by stories of their own",
    /// A client does not wait any more for a task that it does not know of.
    DrivenTaskCancelled = "tasks are looked for by stories of their own",
    /// A task is forgotten.
    TaskExpires = "tasks are looked for by stories of their own",
    /// A session ended, and its tasks with it.
    TaskLost = "tasks are looked for by stories of their own",
    /// A client is gone, and its tasks with it.
    TaskClientLeaves = "tasks are looked for by stories of their own",
    /// A task asks a client without a session.
    TaskAsks = "tasks are looked for by stories of their own",
    /// A task asks what its client did not declare.
    TaskAskUndeclared = "tasks are looked for by stories of their own",
    /// A task asks that nobody knows.
    TaskAskOfNobody = "tasks are looked for by stories of their own",
    /// A task asks more than it may.
    TaskQuestionsFull = "tasks are looked for by stories of their own",
    /// A task does not want an answer any more.
    TaskAskWithdrawn = "tasks are looked for by stories of their own",
    /// A task of a server without sessions asks a client that knows of no task.
    PolledTaskAsks = "tasks are looked for by stories of their own",
    /// A client answers what its task did not ask.
    TaskAnswerUnasked = "tasks are looked for by stories of their own",

    // --- the way out ---

    /// Our input ended: what was asked is answered first.
    LeavesAfterAnswers,
    /// It took too long.
    LeavesWithoutAnswers,
    /// Children or unsent bytes are left when we go.
    LeavesByForce,
}
