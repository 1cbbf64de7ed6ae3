from hypothesis import settings

# A slow machine is no bug: the time of one example says nothing.
settings.register_profile("convcli", deadline=None, max_examples=300)
settings.load_profile("convcli")
