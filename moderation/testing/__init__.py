"""For tests, ours and plugin authors': feeds made by hand, synthetic clips, the contract."""
