"""What must hold of every attack; a module names its ATTACKS and inherits the rest."""

from hostile.opened import findings


class Harmless:
    """`scene` comes from conftest.py, fresh for each attack."""

    def test_harmless(self, scene, attack):
        """Nothing outside changed, leaked, ran, fell over or took too long; and each command met the attack."""
        folder = attack.build(scene)
        wrong, said = findings(scene, attack.commands, folder, attack.seconds)
        assert wrong == []
        for words in attack.says:
            assert words in said, said

    def test_it_works_where_nothing_defends(self, scene, control):
        """The control: the same repository, opened by what does not defend itself."""
        control.build(scene)
        assert control.control(scene)
