namespace Xstate.Fleet;

/// <summary>What all other hosts could give guests and the pool cannot, because of the hosts of one class.</summary>
/// <param name="Class">The class.</param>
/// <param name="Offer">What it alone takes away.</param>
/// <param name="Others">From how many hosts.</param>
/// <param name="All">Of how many hosts in all.</param>
/// <param name="IsCertain">Whether that is so whatever is not known.</param>
internal sealed record PoolCost(HostClass Class, GuestOffer Offer, int Others, int All, bool IsCertain)
{
    /// <summary>The costs of all classes.</summary>
    internal static IEnumerable<PoolCost> Of(IReadOnlyList<HostClass> classes, int hosts)
    {
        if (classes.Count < 2)
        {
            yield break;
        }

        // Of all others: what comes before and what comes behind, so that each class is asked once.
        OfferRange?[] behind = new OfferRange?[classes.Count + 1];
        for (int i = classes.Count - 1; i >= 0; i--)
        {
            behind[i] = behind[i + 1] is { } rest ? rest.And(classes[i].Offer) : classes[i].Offer;
        }

        OfferRange? before = null;
        for (int i = 0; i < classes.Count; i++)
        {
            HostClass one = classes[i];
            OfferRange others = before is null ? behind[i + 1]! : behind[i + 1] is { } rest ? before.And(rest) : before;
            GuestOffer certain = others.Lower.Except(one.Offer.Upper);
            GuestOffer possible = others.Upper.Except(one.Offer.Lower);
            if (!certain.IsEmpty)
            {
                yield return new PoolCost(one, certain, hosts - one.Hosts.Length, hosts, IsCertain: true);
            }

            if (!possible.Except(certain).IsEmpty)
            {
                yield return new PoolCost(one, possible.Except(certain), hosts - one.Hosts.Length, hosts, IsCertain: false);
            }

            before = before is null ? one.Offer : before.And(one.Offer);
        }
    }
}
