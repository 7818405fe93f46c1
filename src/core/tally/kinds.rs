//! What kinds of requests there are and how they end, with the words that stand for them in labels.

/// Declares an enum whose variants have a label.
macro_rules! labels {
    ($(#[$doc:meta])* $name:ident {
        $($(#[$variant_doc:meta])* $variant:ident = $label:literal,)*
    }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)*
        }

        impl $name {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// What it is called in labels.
            #[must_use]
            pub const fn label(self) -> &'static str {
                match self {
                    $(Self::$variant => $label,)*
                }
            }
        }
    };
}

labels! {
    /// What a client wants, by the method of its request.
    Method {
        /// Call a tool.
        CallTool = "tools/call",
        /// List tools.
        ListTools = "tools/list",
        /// Get a prompt.
        GetPrompt = "prompts/get",
        /// List prompts.
        ListPrompts = "prompts/list",
        /// Read a resource.
        ReadResource = "resources/read",
        /// List resources.
        ListResources = "resources/list",
        /// List templates of resources.
        ListTemplates = "resources/templates/list",
        /// Hear of a resource.
        Subscribe = "resources/subscribe",
        /// Not any more.
        Unsubscribe = "resources/unsubscribe",
        /// Complete an argument.
        Complete = "completion/complete",
        /// Open a session.
        Initialize = "initialize",
        /// Nothing.
        Ping = "ping",
        /// Hear log messages.
        SetLevel = "logging/setLevel",
        /// Ask what is there.
        Discover = "server/discover",
        /// Hear of changes.
        Listen = "subscriptions/listen",
        /// Ask how a task is doing.
        GetTask = "tasks/get",
        /// Fetch what came of a task.
        TaskResult = "tasks/result",
        /// List tasks.
        ListTasks = "tasks/list",
        /// End a task.
        CancelTask = "tasks/cancel",
        /// Answer what a task asks.
        UpdateTask = "tasks/update",
        /// A method that we do not know; what it is called is the client's own affair.
        Other = "other",
    }
}

labels! {
    /// What became of a request.
    End {
        /// A result.
        Ok = "ok",
        /// A result of a tool that says of itself that it is an error.
        ToolError = "tool_error",
        /// An error of the server.
        Error = "error",
        /// The server did not answer in time.
        Timeout = "timeout",
        /// Its client cancelled it, or went away.
        Cancelled = "cancelled",
        /// The server went away, or its answer did not come through.
        Lost = "lost",
        /// An error of ours: it was not passed on.
        Refused = "refused",
    }
}

impl Method {
    /// The one that a request names.
    #[must_use]
    pub fn of(name: &str) -> Self {
        let known = Self::ALL.iter().copied();
        // The one that is nearly always meant is the first.
        let mut known = known.filter(|method| *method != Self::Other);
        known
            .find(|method| method.label() == name)
            .unwrap_or(Self::Other)
    }
}

/// How many requests of each method ended how.
#[derive(Clone, Debug)]
pub struct Ends([[u64; End::ALL.len()]; Method::ALL.len()]);

impl Default for Ends {
    fn default() -> Self {
        Self([[0; End::ALL.len()]; Method::ALL.len()])
    }
}

impl Ends {
    /// One more.
    pub const fn count(&mut self, method: Method, end: End) {
        self.0[method as usize][end as usize] += 1;
    }

    /// All of them.
    #[must_use]
    pub fn sum(&self) -> u64 {
        self.0.iter().flatten().sum()
    }

    /// Those that there were.
    pub fn each(&self) -> impl Iterator<Item = (Method, End, u64)> {
        let methods = Method::ALL.iter().zip(&self.0);
        methods.flat_map(|(method, ends)| {
            let ends = End::ALL.iter().zip(ends).filter(|(_, count)| **count > 0);
            ends.map(|(end, count)| (*method, *end, *count))
        })
    }
}

/// How many bytes there were in each direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bytes {
    /// To us.
    pub received: u64,
    /// From us.
    pub sent: u64,
}
