using Xstate.Cli;

return App.Run(args);
