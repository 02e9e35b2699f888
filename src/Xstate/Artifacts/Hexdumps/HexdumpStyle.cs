namespace Xstate.Artifacts.Hexdumps;

/// <summary>How the lines of a hexdump are made.</summary>
internal enum HexdumpStyle
{
    /// <summary><c>00000000: 7f45 4c46  .ELF</c>: xxd.</summary>
    Colon,

    /// <summary><c>00000000  7f 45 4c 46  |.ELF|</c> or <c>0000000 457f 464c</c>: hexdump and od, which end with a bare offset.</summary>
    Offsets,

    /// <summary><c>0x7ffd1000 &lt;area+8&gt;: 0x7f 0x45</c>: the x command of gdb.</summary>
    Memory,

    /// <summary><c>7f454c46</c> or <c>7f 45 4c 46</c>: xxd -p, od -An -v -t x1.</summary>
    Plain,
}
