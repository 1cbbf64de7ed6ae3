"""Metadata as bytes: EXIF, XMP and IPTC are changed where they say how pixels lie, and only there.

A module for one kind of block is loaded only for a picture that has one.
"""
