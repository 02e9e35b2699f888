using Xstate.Cli;
using Xstate.Cli.Output;

using Temporaries temporaries = Temporaries.DeletedOnSignals();
return App.Run(args, StandardStreams.OfProcess());
