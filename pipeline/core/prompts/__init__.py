"""What a prompt is made of: columns, feedback, and pictures to start from.

Also signs that a prompt is not what its writer meant.
"""
