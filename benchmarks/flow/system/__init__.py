"""What calls flow like through a real gateway to real providers, over loopback.

Every experiment starts a gateway and simulated providers as processes of their own, sends them
seeded calls at times fixed beforehand, and holds what came of it against what is promised. The
calls take tenths of a second and come at modest rates, so that waiting is what is measured, and not
the machine.
"""
