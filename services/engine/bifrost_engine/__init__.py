"""The hedger: keeps the share-equivalent delta of option legs near zero by trading the stock."""
