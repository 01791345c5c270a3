"""What the pods do that resolve and fetch models: ask a registry what a name means, bring a model
into a claim, and say in a few words how it went. Addresses and answers are a tenant's, and are not
trusted.
"""
