namespace Xstate.Artifacts.CaptureFile;

/// <summary>The members of a capture file. Readers and writers index the same lists, so that they cannot differ.</summary>
internal static class CaptureNames
{
    public const string Origin = "origin";
    public const string Kind = "kind";
    public const string Note = "note";
    public const string Source = "source";
    public const string States = "states";

    public const string Id = "id";
    public const string Area = "area";
    public const string Layout = "layout";
    public const string Xcr0 = "xcr0";
    public const string Xss = "xss";
    public const string Xfd = "xfd";
    public const string GuestCpuid = "guestCpuid";
    public const string Msrs = "msrs";
    public const string Bits = "bits";
    public const string Lost = "lost";
    public const string Fpu = "fpu";
    public const string Stored = "stored";
    public const string Recorded = "recorded";

    public static readonly string[] Document = ["format", "version", Origin, Kind, Note, Source, States];
    public static readonly string[] State = [Id, Area, Layout, Xcr0, Xss, Xfd, GuestCpuid, Msrs, Bits, Lost, Fpu, Stored, Recorded];
    public static readonly string[] AreaMembers = ["length", "rows"];
    public static readonly string[] Row = ["offset", "hex"];
    public static readonly string[] Range = ["offset", "length"];
    public static readonly string[] Msr = ["index", "value"];
    public static readonly string[] Slot = ["component", "offset", "size", "supervisor", "aligned64", "xfd"];

    public static readonly string[] StoredMembers = ["xstateBv", "x87Order", "writer", "needsKvm"];

    // In the order of X87Order and of Accelerator.
    public static readonly string[] X87Orders = ["stack-top", "physical"];
    public static readonly string[] Accelerators = ["kvm", "tcg"];

    // In the order of CaptureKind.
    public static readonly string[] Kinds = ["virtual-machine", "process"];
}
