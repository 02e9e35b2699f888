namespace Xstate.Fleet;

/// <summary>What hosts can give a guest where not all is known of their kernels.</summary>
/// <param name="Lower">What they can give whatever is not known.</param>
/// <param name="Upper">What they may be able to give.</param>
internal sealed record OfferRange(GuestOffer Lower, GuestOffer Upper)
{
    /// <summary>Whether nothing that is not known matters.</summary>
    public bool IsKnown => Upper.Except(Lower).IsEmpty;

    /// <summary>What both can give.</summary>
    public OfferRange And(OfferRange other)
    {
        ArgumentNullException.ThrowIfNull(other);
        return new OfferRange(Lower.And(other.Lower), Upper.And(other.Upper));
    }
}
